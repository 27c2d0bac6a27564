"""Standard errors and intervals of rates and means over questions, one or several answers each.

Notation: Q questions, x_q the mean of question q's answers, n answers in all. Answers to one question are not
independent, so every spread is taken over the x_q (cluster-robust). Questions are taken as a sample of all such
questions; the spread between trainings is in `bootstrap_runs` alone.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_BOOTSTRAP_DRAWS = 10_000
_RATIO_DRAWS = 2_000
_RUN_DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and how far to trust it."""

    value: float
    """The estimate."""
    se: float | None
    """Its standard error over questions; None where there is one question only."""
    low: float
    """Lower end of the interval, <= value."""
    high: float
    """Upper end of the interval, >= value."""

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval leaves zero out: for a difference, an effect beyond the noise over questions."""
        return self.low > 0 or self.high < 0


def standard_error(per_question: NDArray[np.float64]) -> float | None:
    """Standard error of the mean of `per_question` (Q,): sd / sqrt(Q) with Q - 1 degrees of freedom; None for Q = 1."""
    if per_question.size < 2:
        return None
    return float(per_question.std(ddof=1) / math.sqrt(per_question.size))


def rate(per_question: NDArray[np.float64], answers: int, confidence: float) -> Estimate:
    """The mean of per-question rates (Q,), each in [0, 1], with Wilson's interval for `answers` >= Q answers.

    With one answer a question this is Wilson's score interval of p out of Q. With several it is Wilson's with the
    effective number of answers Q·p(1-p)/var(x), which lies between Q (the answers to a question are all alike) and
    `answers` (they are independent), as for clustered surveys in Dean and Pagano, Journal of Survey Statistics and
    Methodology, 2015. Unlike a bootstrap it is not empty where the rate is 0 or 1. ValueError for Q = 0.
    """
    if per_question.size == 0:
        raise ValueError("a rate over no questions has no value")
    value = min(max(float(per_question.mean()), 0.0), 1.0)
    binomial, between = value * (1 - value), float(per_question.var())
    if binomial == 0:
        effective = float(per_question.size)
    else:
        effective = min(float(answers), per_question.size * binomial / between) if between > 0 else float(answers)
    low, high = wilson(value, effective, confidence)
    return Estimate(value, standard_error(per_question), low, high)


def wilson(value: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a rate `value` in [0, 1] seen in `n` > 0 independent answers."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return max(0.0, min(centre - half, value)), min(1.0, max(centre + half, value))


def rise_bound(before: float, now: float, n: int, confidence: float) -> float:
    """What the rise `now` - `before` of a rate is at least, in [-1, 1], at a one-sided `confidence` in (0.5, 1).

    Both rates are in [0, 1], each seen in `n` > 0 answers. Newcombe's hybrid score interval (1998, Statistics in
    Medicine 17, method 10): it holds where rates are 0 or 1. It takes the two sets of answers as independent, so it is
    too low, never too high, where both are to the same questions.
    """
    low, _ = wilson(now, n, 2 * confidence - 1)
    _, high = wilson(before, n, 2 * confidence - 1)
    return now - before - math.hypot(now - low, high - before)


def paired_difference(
    first: NDArray[np.float64], second: NDArray[np.float64], confidence: float, seed: int
) -> Estimate:
    """The mean of first - second (Q,), same questions in the same order, with a paired bootstrap over questions.

    As `bootstrap_mean` of the differences. ValueError for Q = 0.
    """
    return bootstrap_mean(first - second, confidence, seed)


def bootstrap_mean(per_question: NDArray[np.float64], confidence: float, seed: int) -> Estimate:
    """The mean of `per_question` (Q,), with a bootstrap over questions.

    The interval is the percentile interval of 10,000 resamples, widened to hold the estimate where it does not. The
    standard error is the closed one. The values take few distinct ones, so that a resample is one multinomial draw
    of how often each value comes up: the same distribution at a thousandth of the work. ValueError for Q = 0.
    """
    if per_question.size == 0:
        raise ValueError("a mean over no questions has no value")
    values, counts = np.unique(per_question, return_counts=True)
    resampled = np.random.default_rng(seed).multinomial(per_question.size, counts / per_question.size, _BOOTSTRAP_DRAWS)
    means = resampled @ values / per_question.size  # (draws,)
    value = float(per_question.mean())
    return Estimate(value, standard_error(per_question), *_percentiles(means, value, confidence))


def bootstrap_runs(differences: NDArray[np.float64], confidence: float, seed: int) -> Estimate:
    """The mean of `differences` (R, Q) of R runs on the same Q questions, with a bootstrap over both.

    Runs and questions are drawn anew each on their own, so that the interval holds the spread between trainings and the
    spread between questions (the pigeonhole bootstrap: Owen, Annals of Applied Statistics, 2007, which errs on the wide
    side). With one run, that is the spread over questions alone. The interval is as `bootstrap_mean`'s, of 20,000
    resamples; its standard error is their standard deviation. ValueError for R = 0 or Q = 0.
    """
    runs, questions = differences.shape
    if differences.size == 0:
        raise ValueError("a mean over no questions has no value")
    patterns, counts = np.unique(differences, axis=1, return_counts=True)  # (R, U), (U,): questions that fared alike
    rng = np.random.default_rng(seed)
    drawn_runs = rng.multinomial(runs, np.full(runs, 1 / runs), _RUN_DRAWS)  # (draws, R)
    drawn_questions = rng.multinomial(questions, counts / questions, _RUN_DRAWS)  # (draws, U)
    means = ((drawn_runs @ patterns) * drawn_questions).sum(axis=1) / differences.size  # (draws,)
    value = float(differences.mean())
    spread = float(means.std(ddof=1)) if max(runs, questions) > 1 else None
    return Estimate(value, spread, *_percentiles(means, value, confidence))


def bootstrap_ratios(sums: NDArray[np.float64], of: NDArray[np.float64], confidence: float, seed: int) -> Estimate:
    """The mean over M measures of their ratios Σ sums / Σ of, both (Q, M), with a bootstrap over questions.

    For measures whose unit is not the question, instructions say, of which a question has several. Every column of `of`
    has a sum > 0; a resample in which one has none is left out. The interval is as `bootstrap_mean`'s, of 2,000
    resamples; its standard error is their standard deviation. ValueError for Q = 0.
    """
    questions = sums.shape[0]
    if questions == 0:
        raise ValueError("a mean over no questions has no value")
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(_RATIO_DRAWS):
        drawn = np.bincount(rng.integers(0, questions, questions), minlength=questions)  # (Q,)
        totals = drawn @ of  # (M,)
        if totals.all():
            means.append(float((drawn @ sums / totals).mean()))
    value = float((sums.sum(axis=0) / of.sum(axis=0)).mean())
    spread = float(np.std(means, ddof=1)) if questions > 1 and len(means) > 1 else None
    return Estimate(value, spread, *_percentiles(np.array(means or [value]), value, confidence))


def _percentiles(means: NDArray[np.float64], value: float, confidence: float) -> tuple[float, float]:
    """The middle `confidence` of resampled means, widened to hold `value`."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return min(float(low), value), max(float(high), value)
