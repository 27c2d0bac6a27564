"""Test@N of search and of sampling at equal tokens, summed up: at least one right, and the one answer that is chosen.

Reads the rows that `marco_dag.evaluation.decoding` keeps, question by question. The two estimates of "solved" are each
unbiased for what they are of: N independent responses by 1 - C(s - c, N) / C(s, N) from s ≥ N of them; a search, whose
answers hang together, by one tree a question and N.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marco_dag.evaluation.config import ALL_BENCHMARKS
from marco_dag.evaluation.intervals import Estimate, bootstrap_mean, paired_difference
from marco_dag.evaluation.summary import held_out_or_all

TEST_AT_N = pl.Schema(
    {
        "checkpoint": pl.String,
        "benchmark": pl.String,  # "all": every held-out question counts once
        "tries": pl.Int64,  # N
        "method": pl.String,  # "mcts" or "sampling"
        "questions": pl.Int64,
        "answers": pl.Float64,  # a question, mean
        "tokens": pl.Float64,  # sampled a question, mean
        "solved": pl.Float64,  # Test@N, in [0, 1]
        "solved_low": pl.Float64,
        "solved_high": pl.Float64,
        "solved_gain": pl.Float64,  # over sampling, paired by question; null of sampling
        "solved_gain_low": pl.Float64,
        "solved_gain_high": pl.Float64,
        "chosen": pl.Float64,  # share of questions whose chosen answer is correct
        "chosen_low": pl.Float64,
        "chosen_high": pl.Float64,
        "chosen_gain": pl.Float64,
        "chosen_gain_low": pl.Float64,
        "chosen_gain_high": pl.Float64,
    }
)
"""The columns of `summarize_decoding`."""

_MEASURES = {"solved": "solved", "chosen": "chosen_correct"}


def summarize_decoding(decoded: pl.DataFrame, confidence: float, *, seed: int = 0) -> pl.DataFrame:
    """One row (TEST_AT_N) for each checkpoint, benchmark, N and method in `decoded` (schemas.MCTS_DECODING).

    "all" is as in `summarize`. Intervals are percentile bootstraps over questions, those of gains paired by question;
    `confidence`, in (0, 1), is their coverage and `seed` decides them. No rows give none.
    """
    pooled = held_out_or_all(decoded).with_columns(benchmark=pl.lit(ALL_BENCHMARKS))
    rows: list[dict[str, object]] = []
    keys = ("checkpoint", "benchmark", "tries")
    for (checkpoint, benchmark, tries), group in pl.concat([pooled, decoded]).group_by(*keys, maintain_order=True):
        sampling = group.filter(method="sampling")
        for method in ("mcts", "sampling"):
            paired = (
                group.filter(method=method).join(sampling, on="question_id", suffix="_sampling").sort("question_id")
            )
            figures: dict[str, object] = {
                "questions": paired.height,
                "answers": paired["answers"].mean(),
                "tokens": paired["tokens"].mean(),
            }
            for measure, column in _MEASURES.items():
                values, sampled = _floats(paired, column), _floats(paired, f"{column}_sampling")
                figures |= _spread(measure, bootstrap_mean(values, confidence, seed))
                if method == "mcts":
                    figures |= _spread(f"{measure}_gain", paired_difference(values, sampled, confidence, seed))
            named = {"checkpoint": checkpoint, "benchmark": benchmark, "tries": tries, "method": method}
            rows.append({**named, **figures})
    return pl.DataFrame(rows, schema=TEST_AT_N)


def _spread(name: str, found: Estimate) -> dict[str, object]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _floats(frame: pl.DataFrame, column: str) -> NDArray[np.float64]:
    return frame[column].cast(pl.Float64).to_numpy()
