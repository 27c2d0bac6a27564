"""Paths out of trees, thoughts length balance, preference pairs (paper §3.2).

Pure functions over Polars frames: same rows in any order, same rows out. The only thing taken from outside is `Encode`,
the student's tokenizer, because every length here is a number of the student's tokens.
"""

from marco_dag.curation.balance import balanced_cot
from marco_dag.curation.chains import Encode, extract_chains
from marco_dag.curation.config import CurationConfig, LengthRank
from marco_dag.curation.pairs import common_prefix_length, preference_pairs
from marco_dag.curation.smoothing import visit_smoothing

CURATION_VERSION = "2"
"""Raised whenever the same trees would give other rows; part of what an artifact is keyed by."""

__all__ = [
    "CURATION_VERSION",
    "CurationConfig",
    "Encode",
    "LengthRank",
    "balanced_cot",
    "common_prefix_length",
    "extract_chains",
    "preference_pairs",
    "visit_smoothing",
]
