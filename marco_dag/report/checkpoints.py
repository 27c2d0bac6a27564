"""Which checkpoints a table shows, in which order, and what each is."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import polars as pl

from marco_dag.profiles import Profile

SummaryRow: TypeAlias = Mapping[str, Any]
"""One row of a summary (marco_dag.evaluation.SUMMARY) by column name."""


def describe_checkpoints(profile: Profile) -> dict[str, str]:
    """One line on each checkpoint of a profile: `base`, `sft`, then the recipes in the profile's order."""
    return {
        "base": "the student before training",
        "sft": f"SFT on the {profile.curation.sft_rank} correct chains",
        **{name: recipe.description for name, recipe in profile.recipes.items()},
    }


def in_order(described: Iterable[str], summary: pl.DataFrame) -> list[str]:
    """`base`, `sft`, the other described checkpoints in their order, then those that only the summary knows."""
    return list(dict.fromkeys(["base", "sft", *described, *summary["checkpoint"].unique(maintain_order=True)]))


def rows_by_key(summary: pl.DataFrame) -> dict[tuple[str, str, str], SummaryRow]:
    """The summary's rows by (checkpoint, decoding, benchmark)."""
    return {(row["checkpoint"], row["decoding"], row["benchmark"]): row for row in summary.iter_rows(named=True)}


def error_note(summary: pl.DataFrame) -> str:
    """How many answers and questions a summary rests on, and what the errors in its tables do and do not hold."""
    everything = summary.filter(benchmark="all")
    if everything.is_empty():
        return "No checkpoint has been scored yet."
    questions = _range(everything["questions"])
    answers = _range(everything.filter(decoding="sampled")["answers"])
    return (
        f"{questions} held-out questions, answered once greedily; {answers} sampled answers a checkpoint. "
        "± is one standard error over questions. One training seed: the spread between seeds is not in it."
    )


def _range(counts: pl.Series) -> str:
    if counts.is_empty():
        return "no"
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
