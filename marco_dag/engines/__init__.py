"""Who writes text: the Engine protocol and its implementations."""
