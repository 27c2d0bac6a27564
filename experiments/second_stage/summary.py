"""What came out: answers and trainings of all runs as tables, and the paired differences to the control."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from experiments.second_stage.runs import SCORES_FILE, Run
from experiments.second_stage.variants import CONTROL, SFT, Comparison, Measure
from marco_dag.evaluation import Decoding, Estimate
from marco_dag.evaluation.intervals import bootstrap_runs
from marco_dag.training import read_summary

FAMILY_ERROR = 0.05
"""Probability of at least one interval missing its value by chance, over all comparisons together."""

_ANSWER_COLUMNS = (
    "checkpoint", "benchmark", "question_id", "decoding", "sample", "correct", "answered", "clipped", "tokens",
    "repetition", "reflections",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """What a comparison came out as."""

    comparison: Comparison
    """Which."""
    estimate: Estimate
    """Checkpoint minus control, in shares; the interval is corrected for the number of comparisons."""


def answers_of(runs: Sequence[Run]) -> pl.DataFrame:
    """One row a response: seed, teacher, and the columns of schemas.SCORES that are no text."""
    return pl.concat(
        pl.read_parquet(run.scores(name).path / SCORES_FILE, columns=list(_ANSWER_COLUMNS)).select(
            pl.lit(run.seed).alias("seed"), pl.lit(run.teacher).alias("teacher"), pl.all()
        )
        for run in runs
        for name in _checkpoints(run)
    )


def trainings_of(runs: Sequence[Run]) -> pl.DataFrame:
    """One row a checkpoint: examples, steps and tokens of its own training, and seconds of it and of its scores."""
    rows = []
    for run in runs:
        for name in _checkpoints(run):
            made, scored = run.checkpoint(name), run.scores(name)
            summary = read_summary(made.path)
            rows.append(
                {
                    "seed": run.seed,
                    "teacher": run.teacher,
                    "checkpoint": name,
                    "examples": summary.examples,
                    "steps": summary.steps,
                    "tokens": summary.tokens,
                    "seconds": made.seconds + scored.seconds,
                }
            )
    return pl.DataFrame(rows)


def differences(answers: pl.DataFrame, comparisons: Sequence[Comparison]) -> list[Difference]:
    """Each comparison, paired by seed and question.

    `answers` as `answers_of` gives them, every checkpoint having answered the same questions for every seed. With M
    comparisons each interval has the coverage 1 − FAMILY_ERROR / M (Bonferroni), of a bootstrap over seeds and
    questions.
    """
    confidence = 1 - FAMILY_ERROR / len(comparisons)
    return [
        Difference(
            made,
            bootstrap_runs(
                _grid(answers, made.checkpoint, made.decoding, made.measure)
                - _grid(answers, CONTROL, made.decoding, made.measure),
                confidence,
                seed=place,
            ),
        )
        for place, made in enumerate(comparisons)
    ]


def _checkpoints(run: Run) -> list[str]:
    return [SFT, *run.experiment.variants]


def _grid(answers: pl.DataFrame, checkpoint: str, decoding: Decoding, measure: Measure) -> NDArray[np.float64]:
    """The measure of every seed's answer to every question, (seeds, questions), both in their order."""
    value = pl.col("correct") if measure == "accuracy" else ~pl.col("answered")
    per_question = (
        answers.filter(checkpoint=checkpoint, decoding=decoding)
        .group_by("seed", "benchmark", "question_id")
        .agg(value.cast(pl.Float64).mean().alias("value"))
        .sort("seed", "benchmark", "question_id")
    )
    return per_question["value"].to_numpy().reshape(per_question["seed"].n_unique(), -1)
