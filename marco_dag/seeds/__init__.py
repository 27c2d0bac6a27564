"""Seed prompts: generated, or read from published sources and users' files; what is unfit is quarantined.

Unfit are bad rows, duplicates, and what a benchmark asks. How hard a seed is for the base student can be measured.
"""

from marco_dag.seeds.batches import SeedBatches
from marco_dag.seeds.config import DecontaminationConfig, DifficultyConfig, FieldConfig, SeedsConfig, SourceConfig
from marco_dag.seeds.decontamination import QUESTION_TEXTS, Decontamination, question_texts
from marco_dag.seeds.difficulty import measure_difficulty, within_difficulty
from marco_dag.seeds.generated import GENERATED, generated_seeds, held_out_questions
from marco_dag.seeds.inbox import Inbox, InboxScan, SeedBatch, SkippedFile
from marco_dag.seeds.reader import SeedFile, read_seed_file
from marco_dag.seeds.screening import ScreenedSeeds, screen
from marco_dag.seeds.sources import Sources, held_out_share_of, source_of
from marco_dag.seeds.watched import watched_questions

SEEDS_VERSION = "2"
"""Changes whenever the same configuration or file would give other rows."""

__all__ = [
    "GENERATED",
    "QUESTION_TEXTS",
    "SEEDS_VERSION",
    "Decontamination",
    "DecontaminationConfig",
    "DifficultyConfig",
    "FieldConfig",
    "Inbox",
    "InboxScan",
    "ScreenedSeeds",
    "SeedBatch",
    "SeedBatches",
    "SeedFile",
    "SeedsConfig",
    "SkippedFile",
    "SourceConfig",
    "Sources",
    "generated_seeds",
    "held_out_questions",
    "held_out_share_of",
    "measure_difficulty",
    "question_texts",
    "read_seed_file",
    "screen",
    "source_of",
    "watched_questions",
    "within_difficulty",
]
