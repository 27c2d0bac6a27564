"""Instructions whose following a program can verify."""
