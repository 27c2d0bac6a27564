"""The embedded default: tiny models trained from scratch, offline."""
