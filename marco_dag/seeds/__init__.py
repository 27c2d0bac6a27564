"""Seed prompts: generated, or read from a user's file with bad rows quarantined."""
