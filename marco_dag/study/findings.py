"""What the comparisons came out as, each with an interval that holds for all of them together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marco_dag.evaluation import Estimate
from marco_dag.evaluation.intervals import bootstrap_runs
from marco_dag.schemas import conform
from marco_dag.study.comparisons import Arm, Comparison, Measure
from marco_dag.study.gathering import Gathered
from marco_dag.study.variants import CONTROL, FULL, SFT

FAMILY_ERROR = 0.05
"""Probability of at least one interval missing its value by chance, over all comparisons together."""

Verdict: TypeAlias = Literal["held", "opposite", "no effect seen", "rise", "fall", "same", "not the same", "gap"]
"""`held` and `opposite` are of what was claimed; `rise` and `fall` of what nobody claims anything about; `same` is
exactly the same, response by response."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison, made."""

    comparison: Comparison
    """What was compared."""
    estimate: Estimate | None
    """First minus second, in shares, the interval corrected for their number; None where a side is missing."""
    seeds: int
    """Over how many seeds."""
    questions: int
    """Over how many questions, the same for every seed."""

    @property
    def verdict(self) -> Verdict:
        """What it says of the claim."""
        found, expected = self.estimate, self.comparison.expected
        if found is None:
            return "gap"
        if expected == "same":
            return "same" if found.low == found.high == 0 else "not the same"
        if not found.excludes_zero:
            return "no effect seen"
        went: Literal["rise", "fall"] = "rise" if found.value > 0 else "fall"
        if expected == "open":
            return went
        return "held" if went == expected else "opposite"


@dataclass(frozen=True, slots=True)
class CappedDifference:
    """What two variants differ by where responses may have so many tokens and no more."""

    first: str
    second: str
    cap: int
    """Tokens; a longer response counts as one without an answer."""
    estimate: Estimate
    """In shares of right sampled answers, first minus second, the interval as the profile has it."""


def find(gathered: Gathered, comparisons: Sequence[Comparison]) -> list[Finding]:
    """Each comparison, paired by seed and question, over the seeds that have both sides.

    With M comparisons each interval has the coverage 1 - FAMILY_ERROR / M (Bonferroni), of a bootstrap over seeds and
    questions.
    """
    confidence = 1 - FAMILY_ERROR / max(1, len(comparisons))
    return [_find(gathered, made, confidence, place) for place, made in enumerate(comparisons)]


def findings_frame(findings: Sequence[Finding]) -> pl.DataFrame:
    """Findings as a table (schemas.STUDY_FINDINGS)."""
    rows = []
    for finding in findings:
        made, found = finding.comparison, finding.estimate
        rows.append(
            {
                "topic": made.topic,
                "claim": made.claim,
                "first": made.first.variant,
                "first_source": made.first.source,
                "second": made.second.variant,
                "second_source": made.second.source,
                "measure": made.measure,
                "expected": made.expected,
                "difference": found and found.value,
                "se": found and found.se,
                "low": found and found.low,
                "high": found and found.high,
                "seeds": finding.seeds,
                "questions": finding.questions,
                "verdict": finding.verdict,
            }
        )
    return conform(pl.DataFrame(rows, infer_schema_length=None), "study_findings")


def capped(answers: pl.DataFrame, cap: int) -> pl.DataFrame:
    """`answers` as they would be with a limit of `cap` tokens: longer ones are clipped, and state no answer."""
    within = pl.col("tokens") <= cap
    return answers.with_columns(pl.col("correct", "answered") & within, clipped=~within)


def capped_differences(answers: pl.DataFrame, caps: Sequence[int], confidence: float) -> list[CappedDifference]:
    """The whole recipe beside SFT and beside the control at each cap; not corrected for how many there are."""
    found = []
    for place, cap in enumerate(caps):
        limited = capped(answers, cap)
        for second in (SFT, CONTROL):
            sides = [_of_answers(limited, Arm(name, "sampled"), "accuracy") for name in (FULL, second)]
            difference = _paired(*sides)
            if difference.size:
                found.append(CappedDifference(FULL, second, cap, bootstrap_runs(difference, confidence, place)))
    return found


def caps_of(limit: int, wanted: Sequence[int]) -> list[int]:
    """The caps that a study asks for, or eight even steps up to `limit`."""
    return list(wanted) or [round(limit * step / 8) for step in range(1, 9)]


def _find(gathered: Gathered, made: Comparison, confidence: float, place: int) -> Finding:
    first, second = (_values(gathered, arm, made.measure) for arm in (made.first, made.second))
    difference = _paired(first, second)
    if not difference.size:
        return Finding(made, None, 0, 0)
    seeds, questions = difference.shape
    return Finding(made, bootstrap_runs(difference, confidence, place), seeds, questions)


def _values(gathered: Gathered, arm: Arm, measure: Measure) -> pl.DataFrame:
    if measure in ("accuracy", "no_answer"):
        return _of_answers(gathered.answers, arm, measure)
    most = gathered.decoded["tries"].max() or 0
    column = "solved" if measure == "solved" else "chosen_correct"
    return (
        gathered.decoded.filter(checkpoint=arm.variant, method=arm.source, tries=most)
        .select("seed", "benchmark", "question_id", value=pl.col(column).cast(pl.Float64))
    )  # fmt: skip


def _of_answers(answers: pl.DataFrame, arm: Arm, measure: Measure) -> pl.DataFrame:
    """The measure of each question, the mean over its samples: seed, benchmark, question_id, value."""
    value = pl.col("correct") if measure == "accuracy" else ~pl.col("answered")
    return (
        answers.filter(checkpoint=arm.variant, decoding=arm.source)
        .group_by("seed", "benchmark", "question_id")
        .agg(value.cast(pl.Float64).mean().alias("value"))
    )


def _paired(first: pl.DataFrame, second: pl.DataFrame) -> NDArray[np.float64]:
    """First minus second, (seeds, questions), of the seeds that have both; (0, 0) where none has."""
    keys = ["seed", "benchmark", "question_id"]
    joined = first.join(second, on=keys, suffix="_second").sort(keys)
    if joined.is_empty():
        return np.zeros((0, 0))
    difference = (joined["value"] - joined["value_second"]).to_numpy()
    return difference.reshape(joined["seed"].n_unique(), -1)
