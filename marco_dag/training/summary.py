"""What a finished training leaves behind beside the model: `training.json`, `curve.parquet`, `watch.parquet`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from marco_dag.errors import TrainingError
from marco_dag.identity import JsonValue

_SUMMARY = "training.json"
_CURVE = "curve.parquet"
_WATCH = "watch.parquet"


@dataclass(frozen=True, eq=False)
class TrainingSummary:
    """How a training went."""

    steps: int
    """Optimizer steps taken."""
    tokens: int
    """Tokens that went through the model forward and backward, prompts included, padding not."""
    examples: int
    """Distinct chains (SFT) or pairs (second stage) trained on."""
    seconds: float
    """Wall-clock time of the call that finished; of a resumed run, its own part only."""
    curve: pl.DataFrame
    """One row an optimizer step: step, loss, learning_rate, grad_norm, tokens, then the stage's own metrics.

    SFT: entropy (nats), mean_token_accuracy. Second stage: sft_loss and, where the preference term counts,
    preference_loss, reward_accuracy, reward_chosen, reward_margin, reward_rejected.
    """
    dropped: dict[str, int]
    """Reason → examples that were left out before training."""
    watch: pl.DataFrame | None = None
    """One row a look at the watched questions (marco_dag.training.looks.WATCH); None where nobody watched."""
    stopped: str | None = None
    """Why training ended before its last step, and what to do; None where it did not."""


def write_summary(summary: TrainingSummary, arguments: Mapping[str, JsonValue], folder: Path) -> None:
    """Write `summary`; the last act of a training, so that a folder with a summary holds a finished model.

    `arguments` is what the training was called with, for `read_arguments`.
    """
    summary.curve.write_parquet(folder / _CURVE)
    if summary.watch is not None:
        summary.watch.write_parquet(folder / _WATCH)
    record = {
        "steps": summary.steps,
        "tokens": summary.tokens,
        "examples": summary.examples,
        "seconds": summary.seconds,
        "dropped": summary.dropped,
        "stopped": summary.stopped,
        "arguments": dict(arguments),
    }
    partial = folder / f"{_SUMMARY}.partial"
    partial.write_text(json.dumps(record, indent=2))
    partial.rename(folder / _SUMMARY)


def read_summary(folder: Path) -> TrainingSummary:
    """The summary of a finished training; TrainingError if `folder` holds none."""
    record = _read(folder)
    return TrainingSummary(
        steps=record["steps"],
        tokens=record["tokens"],
        examples=record["examples"],
        seconds=record["seconds"],
        curve=pl.read_parquet(folder / _CURVE),
        dropped=record["dropped"],
        watch=pl.read_parquet(folder / _WATCH) if (folder / _WATCH).is_file() else None,
        stopped=record.get("stopped"),
    )


def read_arguments(folder: Path) -> dict[str, JsonValue] | None:
    """What the finished training in `folder` was called with; None if there is none."""
    if not (folder / _SUMMARY).is_file():
        return None
    arguments: dict[str, JsonValue] = _read(folder)["arguments"]
    return arguments


def _read(folder: Path) -> dict[str, Any]:
    path = folder / _SUMMARY
    if not path.is_file():
        raise TrainingError(f"{folder}: no finished training here, {_SUMMARY} is missing; train into it first")
    record: dict[str, Any] = json.loads(path.read_text())
    return record
