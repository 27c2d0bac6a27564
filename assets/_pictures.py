"""Pictures as metadata: what a step drew, shown in the web UI behind "Show Markdown"."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from marco_dag.report import pictures, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def loss_curves(curves: Mapping[str, pl.DataFrame]) -> dg.MetadataValue:
    """The losses of each stage over its steps."""
    return _shown(pictures.losses(curves))


def watched_rates(watches: Mapping[str, pl.DataFrame]) -> dg.MetadataValue:
    """What each stage's looks at its watched questions showed over its steps."""
    return _shown(pictures.watched(watches))


def chain_lengths(chains: pl.DataFrame, trees: pl.DataFrame) -> dg.MetadataValue:
    """The lengths of the correct chains by task and rank."""
    ranked = chains.filter(pl.col("length_rank").is_not_null()).join(trees.select("tree_id", "task"), on="tree_id")
    return _shown(pictures.chain_lengths(ranked)) if ranked.height else dg.MetadataValue.md("(no correct chain)")


def response_lengths(scores: pl.DataFrame, checkpoint: str, limit: int) -> dg.MetadataValue:
    """The lengths of a checkpoint's sampled responses."""
    return _shown(pictures.response_lengths(scores, [checkpoint], limit))


def solved_by_tokens(summary: pl.DataFrame) -> dg.MetadataValue:
    """How often search and sampling solve a question, and choose the right answer, by their tokens."""
    return _shown(pictures.solved_by_tokens(summary))


def _shown(figure: "Figure") -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(png(figure)).decode()})")
