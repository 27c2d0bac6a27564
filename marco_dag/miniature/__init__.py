"""The embedded default: tiny models trained from scratch, offline."""

from marco_dag.miniature.artifact import MINIATURE_VERSION, MODELS_KIND, embedded_models
from marco_dag.miniature.config import ArchitectureConfig, MiniatureConfig, PretrainingConfig
from marco_dag.miniature.models import train_miniature_models

__all__ = [
    "MINIATURE_VERSION",
    "MODELS_KIND",
    "ArchitectureConfig",
    "MiniatureConfig",
    "PretrainingConfig",
    "embedded_models",
    "train_miniature_models",
]
