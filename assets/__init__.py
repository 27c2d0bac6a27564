"""The assets, one module a stage: config → library call → materialization. Found by searching for their names."""

OWNERS = ["team:marco"]
"""Who answers for every asset."""
