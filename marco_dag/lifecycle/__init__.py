"""How long what was made is kept: sizes and ages, what refers to what, and removing what is needed no more."""

from marco_dag.lifecycle.collection import Collected, Kept, collect, judge, look_through
from marco_dag.lifecycle.config import RetentionConfig
from marco_dag.lifecycle.inventory import Stored, take_inventory
from marco_dag.lifecycle.references import find_references

__all__ = [
    "Collected",
    "Kept",
    "RetentionConfig",
    "Stored",
    "collect",
    "find_references",
    "judge",
    "look_through",
    "take_inventory",
]
