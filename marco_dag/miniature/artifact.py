"""The embedded models as an artifact: what decides them, and how they are made."""

from collections.abc import Callable
from pathlib import Path

from marco_dag.identity import JsonValue
from marco_dag.miniature.config import MiniatureConfig
from marco_dag.miniature.models import train_miniature_models

MINIATURE_VERSION = "1"
"""Part of the cache key of the trained models: bump it when a change here or in `marco_dag.tasks` changes what
`train_miniature_models` writes for the same arguments (traces, tokenizer, optimizer), or finished models are reused."""

MODELS_KIND = "models"
"""Their kind in the store."""


def embedded_models(
    config: MiniatureConfig, *, held_out_share: float, seed: int
) -> tuple[dict[str, JsonValue], Callable[[Path], None]]:
    """The key of `train_miniature_models` with these arguments, and the call, as the artifact store takes them."""
    key: dict[str, JsonValue] = {
        "config": config.model_dump(mode="json"),
        "held_out_share": held_out_share,
        "seed": seed,
        "code": MINIATURE_VERSION,
    }

    def train(folder: Path) -> None:
        train_miniature_models(config, held_out_share=held_out_share, seed=seed, folder=folder)

    return key, train
