"""The embedded default: tiny models trained from scratch, offline."""

from marco_dag.miniature.config import ArchitectureConfig, MiniatureConfig, PretrainingConfig
from marco_dag.miniature.models import train_miniature_models

MINIATURE_VERSION = "1"
"""Part of the cache key of the trained models: bump it when a change here or in `marco_dag.tasks` changes what
`train_miniature_models` writes for the same arguments (traces, tokenizer, optimizer), or finished models are reused."""

__all__ = [
    "MINIATURE_VERSION",
    "ArchitectureConfig",
    "MiniatureConfig",
    "PretrainingConfig",
    "train_miniature_models",
]
