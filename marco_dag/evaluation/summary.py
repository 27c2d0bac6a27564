"""Scores summed up: rates with intervals per checkpoint, and paired differences between two checkpoints.

Every figure is a mean over questions, so that a question counts once however often it was answered.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marco_dag.errors import EvaluationError
from marco_dag.evaluation.config import ALL_BENCHMARKS
from marco_dag.evaluation.conversations import Decoding
from marco_dag.evaluation.intervals import Estimate, paired_difference, rate, standard_error
from marco_dag.tasks import TASKS

SUMMARY = pl.Schema(
    {
        "checkpoint": pl.String,
        "decoding": pl.String,
        "benchmark": pl.String,  # "all": every held-out question counts once
        "answers": pl.Int64,
        "questions": pl.Int64,
        "accuracy": pl.Float64,  # rates are shares in [0, 1]
        "accuracy_se": pl.Float64,  # over questions; null with one question
        "accuracy_low": pl.Float64,
        "accuracy_high": pl.Float64,
        "no_answer": pl.Float64,
        "no_answer_se": pl.Float64,
        "no_answer_low": pl.Float64,
        "no_answer_high": pl.Float64,
        "clipped": pl.Float64,
        "tokens": pl.Float64,  # mean a response
        "tokens_se": pl.Float64,
        "repetition": pl.Float64,
        "reflections_per_1k": pl.Float64,  # reflection words per 1,000 tokens, all responses together
        "odd": pl.Int64,  # responses whose answer could not be read, or not be checked in time; they count as wrong
    }
)
"""The columns of a summary."""

# As the math verifier ends or begins its reasons; what a response says stands in quotes and cannot do either.
_ODD = r"^could not be checked|, which math-verify cannot read$|characters are too many for an answer$"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Checkpoint `a` minus checkpoint `b` on the questions that both answered."""

    a: str
    """The checkpoint that is compared."""
    b: str
    """The checkpoint it is compared with."""
    decoding: Decoding
    """Which answers."""
    questions: int
    """Questions that both answered."""
    accuracy: Estimate
    """Difference of the accuracies, in [-1, 1]."""
    no_answer: Estimate
    """Difference of the no-answer rates, in [-1, 1]."""


def summarize(scores: pl.DataFrame, confidence: float) -> pl.DataFrame:
    """One row (SUMMARY) for each checkpoint, decoding and benchmark in `scores` (schemas.SCORES), and for "all".

    "all" is every held-out question; published benchmarks, of which each is a measure of its own, are in it only where
    there is no held-out question.

    Rows stand by checkpoint in order of appearance, then greedy before sampled, then "all" before the benchmarks.
    `confidence`, in (0, 1), is the coverage of the intervals. No scores give no rows.
    """
    by_benchmark = _by_question(scores)
    groups = pl.concat([held_out_or_all(by_benchmark).with_columns(benchmark=pl.lit(ALL_BENCHMARKS)), by_benchmark])
    order = {name: place for place, name in enumerate(scores["checkpoint"].unique(maintain_order=True))}
    rows = [
        {"checkpoint": checkpoint, "decoding": decoding, "benchmark": benchmark, **_figures(group, confidence)}
        for (checkpoint, decoding, benchmark), group in groups.group_by(
            "checkpoint", "decoding", "benchmark", maintain_order=True
        )
    ]
    rows.sort(key=lambda row: (order[row["checkpoint"]], row["decoding"]))  # "greedy" < "sampled"
    return pl.DataFrame(rows, schema=SUMMARY)


def published_benchmarks(summary: pl.DataFrame) -> list[str]:
    """The benchmarks of a summary that are no task of held-out questions, in their order."""
    names = summary["benchmark"].unique(maintain_order=True)
    return [name for name in names if name != ALL_BENCHMARKS and name not in TASKS]


def compare(
    scores: pl.DataFrame, a: str, b: str, decoding: Decoding, *, confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Checkpoint `a` minus checkpoint `b`, paired by question; `seed` decides the bootstrap.

    Over the questions of "all", as `summarize` has it; give the scores of one benchmark to compare on that one.
    EvaluationError where the two have no question in common.
    """
    by_question = held_out_or_all(_by_question(scores.filter(decoding=decoding)))
    keys = ["benchmark", "question_id"]
    paired = by_question.filter(checkpoint=a).join(by_question.filter(checkpoint=b), on=keys, suffix="_b").sort(keys)
    if paired.is_empty():
        raise EvaluationError(f"checkpoints {a!r} and {b!r} have no {decoding} answer to a common question; score both")

    def difference(measure: str) -> Estimate:
        return paired_difference(_floats(paired, measure), _floats(paired, f"{measure}_b"), confidence, seed)

    return Comparison(a, b, decoding, paired.height, difference("correct"), difference("no_answer"))


def held_out_or_all(scores: pl.DataFrame) -> pl.DataFrame:
    """The rows of held-out questions, whose benchmarks are named as their tasks; where there are none, all rows."""
    held_out = scores.filter(pl.col("benchmark").is_in(list(TASKS)))
    return scores if held_out.is_empty() else held_out


def _by_question(scores: pl.DataFrame) -> pl.DataFrame:
    return scores.group_by("checkpoint", "decoding", "benchmark", "question_id", maintain_order=True).agg(
        pl.col("correct", "clipped").cast(pl.Float64).mean(),
        (~pl.col("answered")).cast(pl.Float64).mean().alias("no_answer"),
        pl.col("tokens", "repetition").mean(),
        pl.col("tokens").sum().alias("all_tokens"),
        pl.col("reflections").sum().alias("all_reflections"),
        pl.col("verdict").str.contains(_ODD).sum().alias("odd"),
        pl.len().alias("answers"),
    )


def _figures(group: pl.DataFrame, confidence: float) -> dict[str, float | int | None]:
    answers = int(group["answers"].sum())
    tokens = int(group["all_tokens"].sum())
    figures: dict[str, float | int | None] = {"answers": answers, "questions": group.height}
    for name, column in (("accuracy", "correct"), ("no_answer", "no_answer")):
        found = rate(_floats(group, column), answers, confidence)
        figures |= {name: found.value, f"{name}_se": found.se, f"{name}_low": found.low, f"{name}_high": found.high}
    return figures | {
        "clipped": float(_floats(group, "clipped").mean()),
        "tokens": float(_floats(group, "tokens").mean()),
        "tokens_se": standard_error(_floats(group, "tokens")),
        "repetition": float(_floats(group, "repetition").mean()),
        "odd": int(group["odd"].sum()),
        "reflections_per_1k": 1000 * int(group["all_reflections"].sum()) / tokens if tokens else 0.0,
    }


def _floats(frame: pl.DataFrame, column: str) -> NDArray[np.float64]:
    return frame[column].to_numpy().astype(np.float64)
