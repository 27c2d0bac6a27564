"""Paths out of trees, thoughts length balance, preference pairs."""
