"""Accuracy, no-answer and degeneration measures of a checkpoint."""
