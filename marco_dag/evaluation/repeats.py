"""What repeated sampling brings: Test@N, and the majority's answer.

Both are over questions (over turns, where a conversation has several), from the sampled answers of a checkpoint.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from marco_dag.evaluation.intervals import bootstrap_mean

REPEATS = pl.Schema(
    {
        "checkpoint": pl.String,
        "benchmark": pl.String,
        "n": pl.Int64,  # samples
        "questions": pl.Int64,
        "test_at_n": pl.Float64,  # probability that one of n samples is correct, mean over questions
        "test_at_n_low": pl.Float64,
        "test_at_n_high": pl.Float64,
        "majority": pl.Float64,  # share of questions whose most frequent answer among the first n samples is correct
        "majority_low": pl.Float64,
        "majority_high": pl.Float64,
    }
)
"""The columns of `repeats`."""


def solved_at(n: int, samples: int, correct: int) -> float:
    """The chance that one of `n` samples is correct, from `correct` of `samples`: 1 - C(s - c, n) / C(s, n).

    Unbiased (pass@k of Chen et al. 2021, arXiv 2107.03374); the paper's Test@N. ValueError unless 1 ≤ n ≤ samples.
    """
    if not 1 <= n <= samples:
        raise ValueError(f"Test@{n} needs at least {n} samples, there are {samples}")
    return 1 - math.comb(samples - correct, n) / math.comb(samples, n)


def majority_is_correct(answers: Sequence[str | None], correct: Sequence[bool]) -> bool:
    """Whether the most frequent answer is correct; of equally frequent ones the first counts.

    A response without an answer has no vote; where none votes, the majority is wrong.
    """
    votes = Counter(answer for answer in answers if answer is not None)
    if not votes:
        return False
    [(winner, _)] = votes.most_common(1)  # ties: in order of first appearance
    return correct[answers.index(winner)]


def repeats(scores: pl.DataFrame, confidence: float, *, seed: int = 0) -> pl.DataFrame:
    """One row (REPEATS) for each checkpoint, benchmark and n in `scores` (schemas.SCORES).

    n runs over the powers of two up to the samples that every question of the benchmark has, and these; one sample
    gives no row. Intervals are percentile bootstraps over questions, decided by `seed`.
    """
    rows = []
    sampled = scores.filter(decoding="sampled")
    for (checkpoint, benchmark), group in sampled.group_by("checkpoint", "benchmark", maintain_order=True):
        by_question = group.sort("sample").group_by("question_id", "turn", maintain_order=True)
        questions = by_question.agg("correct", "answer").select("correct", "answer").rows()
        most = min(len(correct) for correct, _ in questions)
        for n in _counts(most):
            at_n = np.array([solved_at(n, len(correct), sum(correct)) for correct, _ in questions])
            voted = np.array([majority_is_correct(answers[:n], correct[:n]) for correct, answers in questions], float)
            solved = bootstrap_mean(at_n, confidence, seed)
            majority = bootstrap_mean(voted, confidence, seed)
            figures = (solved.value, solved.low, solved.high, majority.value, majority.low, majority.high)
            rows.append((checkpoint, benchmark, n, len(questions), *figures))
    return pl.DataFrame(rows, schema=REPEATS, orient="row")


def _counts(most: int) -> list[int]:
    """1, 2, 4, … up to `most`, and `most`; nothing for a single sample."""
    return [] if most < 2 else sorted({2**power for power in range(most.bit_length())} | {most})
