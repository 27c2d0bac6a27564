"""What a stage's looks at its watched questions amount to: where the no-answer rate climbed, and which look was best.

Everything follows from the looks alone, so that a resumed run and every process of a parallel one come to the same
decisions. Does not ask the questions (`marco_dag.training.watching`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Self

import polars as pl

from marco_dag.evaluation.intervals import rise_bound
from marco_dag.training.config import WatchConfig

WATCH = pl.Schema(
    {
        "step": pl.Int64,  # optimizer steps taken when it was looked
        "questions": pl.Int64,
        "no_answer": pl.Float64,  # share of the answers that state none
        "clipped": pl.Float64,  # share cut at the token limit
        "accuracy": pl.Float64,
        "tokens": pl.Float64,  # sampled a question, mean
        "learning_rate_scale": pl.Float64,  # what the learning rate is multiplied by from this look on
        "climbed": pl.Boolean,  # the no-answer rate is above the lowest seen, beyond the noise
        "kept": pl.Boolean,  # the weights of this look are the saved ones
    }
)
"""The columns of `watch.parquet`, one row a look."""

_MARK = "watched"


@dataclass(frozen=True, slots=True)
class Look:
    """How the watched questions were answered after `step` optimizer steps; counts of answers."""

    step: int
    questions: int
    no_answer: int
    clipped: int
    correct: int
    tokens: int
    """Sampled for all answers together."""

    @property
    def no_answer_rate(self) -> float:
        """Share of the answers that state none, in [0, 1]."""
        return self.no_answer / self.questions

    def to_log(self) -> dict[str, float]:
        """The look as an entry of the Trainer's log, which each saved state holds."""
        return {_MARK: 1, **asdict(self)}

    @classmethod
    def all_from_log(cls, history: Sequence[Mapping[str, float]]) -> list[Self]:
        """The looks of a Trainer's log, in their order."""
        return [
            cls(**{name: int(entry[name]) for name in cls.__dataclass_fields__}) for entry in history if _MARK in entry
        ]


@dataclass(frozen=True, slots=True)
class Course:
    """How a run has gone so far."""

    looks: tuple[Look, ...]
    """All looks, at least one."""
    climbed: tuple[bool, ...]
    """For each look: whether the no-answer rate was above the lowest before it, beyond the noise."""
    lowest: tuple[Look, ...]
    """For each look: the one with the lowest no-answer rate up to it, of equal ones the last."""
    best: Look
    """The most accurate sound look; of equal ones the one with fewer no-answers, then the later."""
    goes_back: bool
    """Whether, if the run ends here, the weights of the best look are saved and not the last."""
    scales: tuple[float, ...]
    """For each look: what the learning rate is multiplied by from it on, in (0, 1]."""
    stopped: bool
    """Whether the run is to end here."""

    @property
    def kept(self) -> Look:
        """The look whose weights are saved if the run ends here."""
        return self.best if self.goes_back else self.looks[-1]


def follow(looks: Sequence[Look], planned: int, config: WatchConfig) -> Course:
    """The course of a run of `planned` looks, of which `looks` (at least one) have been taken.

    A look has climbed where its no-answer rate is at least `config.climb` above the lowest before it, and above it at a
    one-sided confidence of 1 − (1 − `config.confidence`) / pairs, with the pairs of planned looks, since the lowest
    one was picked from among them (Bonferroni). A look is sound where its rate is not above the lowest before it at
    `config.confidence` itself: to throw one away costs less than to stop. Under `lower` each climb lowers the learning
    rate, but for a look whose rate is falling again.
    """
    pairs = max(1, planned * (planned - 1) // 2)
    confidence = 1 - (1 - config.confidence) / pairs
    factor = config.factor if config.action == "lower" else 1.0
    climbed, lowest, scales, sound = [False], [looks[0]], [1.0], [looks[0]]
    for last, look in pairwise(looks):
        before, now = lowest[-1].no_answer_rate, look.no_answer_rate
        climbed.append(now - before >= config.climb and rise_bound(before, now, look.questions, confidence) > 0)
        if rise_bound(before, now, look.questions, config.confidence) <= 0:
            sound.append(look)
        lowest.append(look if now <= before else lowest[-1])
        scales.append(scales[-1] * (factor if climbed[-1] and now >= last.no_answer_rate else 1.0))
    best = max(sound, key=lambda look: (look.correct, -look.no_answer, look.step))
    return Course(
        looks=tuple(looks),
        climbed=tuple(climbed),
        lowest=tuple(lowest),
        best=best,
        goes_back=config.keep == "best" and climbed[-1],
        scales=tuple(scales),
        stopped=config.action == "stop" and climbed[-1],
    )


def watch_table(course: Course) -> pl.DataFrame:
    """The looks as a table (WATCH)."""
    rows = []
    for look, scale, climbed in zip(course.looks, course.scales, course.climbed, strict=True):
        shares = [count / look.questions for count in (look.no_answer, look.clipped, look.correct, look.tokens)]
        rows.append((look.step, look.questions, *shares, scale, climbed, look == course.kept))
    return pl.DataFrame(rows, schema=WATCH, orient="row")


def say_climb(course: Course, planned_steps: int, config: WatchConfig) -> str:
    """For a course whose last look has climbed: the step, the rates with their n, what was done and what to do."""
    now, lowest = course.looks[-1], course.lowest[-1]
    done = {
        "stop": f"stopped, and the weights of step {course.kept.step} kept",
        "lower": f"the learning rate is multiplied by {course.scales[-1]:.2g} from here on",
        "none": "nothing was done (watch.action is none)",
    }[config.action]
    return (
        f"step {now.step} of {planned_steps}: {now.no_answer} of {now.questions} watched questions got no answer "
        f"({now.no_answer_rate:.1%}, {now.tokens / now.questions:.0f} tokens each), at step {lowest.step} it was "
        f"{lowest.no_answer} ({lowest.no_answer_rate:.1%}, {lowest.tokens / lowest.questions:.0f} tokens each): "
        f"{done}. Lower learning_rate; in a preference stage, shorter chosen chains, sft_weight or more beta help too"
    )
