"""Seed prompts: generated, or read from a user's file with bad rows quarantined."""

from marco_dag.seeds.config import SeedsConfig
from marco_dag.seeds.generated import GENERATED, generated_seeds, held_out_questions
from marco_dag.seeds.inbox import Inbox, InboxScan, SeedBatch, SkippedFile, batch_table
from marco_dag.seeds.reader import SeedFile, read_seed_file

SEEDS_VERSION = "1"
"""Changes whenever the same configuration or file would give other rows."""

__all__ = [
    "GENERATED",
    "SEEDS_VERSION",
    "Inbox",
    "InboxScan",
    "SeedBatch",
    "SeedFile",
    "SeedsConfig",
    "SkippedFile",
    "batch_table",
    "generated_seeds",
    "held_out_questions",
    "read_seed_file",
]
