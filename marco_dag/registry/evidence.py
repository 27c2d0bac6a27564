"""Is a checkpoint worse than another? Their scores side by side, paired by question, with intervals.

Over all held-out questions the candidate has to show that it is not worse by more than a margin (a test of
non-inferiority); there and on each published benchmark it must not be shown to be worse. Every comparison stands for
itself: of many benchmarks at 95% coverage, one in forty will show a loss where there is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import polars as pl

from marco_dag.evaluation import ALL_BENCHMARKS, Decoding, Estimate, compare
from marco_dag.identity import JsonValue
from marco_dag.tasks import TASKS

_A, _B = "candidate", "champion"
_QUESTION = ("benchmark", "question_id", "decoding")


@dataclass(frozen=True, slots=True)
class Finding:
    """The candidate minus the champion on one benchmark, one way of decoding."""

    benchmark: str
    """The benchmark; "all" is every held-out question, as `marco_dag.evaluation.summarize` has it."""
    decoding: Decoding
    """Which answers."""
    questions: int
    """Questions that both answered."""
    accuracy: Estimate
    """Difference of the accuracies, in [-1, 1]."""
    no_answer: Estimate
    """Difference of the no-answer rates, in [-1, 1]."""
    objections: tuple[str, ...]
    """What speaks against the candidate, in words."""

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON values, shares as they are."""
        return {
            "benchmark": self.benchmark,
            "decoding": self.decoding,
            "questions": self.questions,
            "accuracy": [self.accuracy.value, self.accuracy.low, self.accuracy.high],
            "no_answer": [self.no_answer.value, self.no_answer.low, self.no_answer.high],
            "objections": list(self.objections),
        }


def weigh(candidate: pl.DataFrame, champion: pl.DataFrame, *, margin: float, confidence: float) -> tuple[Finding, ...]:
    """What the scores (schemas.SCORES) of two checkpoints say about the first; by benchmark, greedy before sampled.

    Only questions that both answered count; with none in common there is no finding. `margin` as in `PromotionConfig`,
    `confidence`, in (0, 1), is the coverage of the intervals.
    """
    asked = champion.select(_QUESTION).unique()
    candidate = candidate.join(asked, on=_QUESTION, how="semi")
    scores = pl.concat([candidate.with_columns(checkpoint=pl.lit(_A)), champion.with_columns(checkpoint=pl.lit(_B))])
    published = sorted(set(candidate["benchmark"]) - set(TASKS))
    return tuple(
        _compare(scores, benchmark, decoding, margin, confidence)
        for benchmark in (ALL_BENCHMARKS, *published)
        for decoding in _decodings(_of(candidate, benchmark))
    )


def _of(scores: pl.DataFrame, benchmark: str) -> pl.DataFrame:
    return scores if benchmark == ALL_BENCHMARKS else scores.filter(benchmark=benchmark)


def _decodings(scores: pl.DataFrame) -> list[Decoding]:
    return [decoding for decoding in get_args(Decoding) if decoding in scores["decoding"].unique().to_list()]


def _compare(scores: pl.DataFrame, benchmark: str, decoding: Decoding, margin: float, confidence: float) -> Finding:
    found = compare(_of(scores, benchmark), _A, _B, decoding, confidence=confidence)
    burden = margin if benchmark == ALL_BENCHMARKS else None
    objections = (
        *_object("accuracy", found.accuracy, found.accuracy.high, found.accuracy.low, burden),
        *_object("no-answer rate", found.no_answer, -found.no_answer.low, -found.no_answer.high, burden),
    )
    where = f"{benchmark}, {decoding}, {found.questions} questions"
    return Finding(
        benchmark,
        decoding,
        found.questions,
        found.accuracy,
        found.no_answer,
        tuple(f"{where}: {objection}" for objection in objections),
    )


def _object(measure: str, difference: Estimate, best: float, worst: float, margin: float | None) -> Iterator[str]:
    """The objection to a difference whose best and worst case, counted so that more is better, are given."""
    seen = f"{points(difference)} points"
    if best < 0:
        yield f"the {measure} is worse, {seen}"
    elif margin is not None and worst < -margin:
        yield f"the {measure} may be worse by more than the margin of {100 * margin:g} points, {seen}"


def points(difference: Estimate) -> str:
    """A difference of two rates in per cent: value and interval."""
    value, low, high = (100 * share for share in (difference.value, difference.low, difference.high))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
