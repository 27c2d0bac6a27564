"""What is opened and closed around a step: engines, tables, lineage, tracking, compute."""
