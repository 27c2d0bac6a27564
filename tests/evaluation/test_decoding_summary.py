"""Test@N summed up: means over questions, gains paired by question."""

import polars as pl
import pytest

from marco_dag.evaluation import TEST_AT_N, summarize_decoding
from marco_dag.schemas import MCTS_DECODING


def rows(method: str, solved: dict[str, float], benchmark: str = "letters", tries: int = 8) -> list[dict]:
    return [
        dict.fromkeys(MCTS_DECODING)
        | {"checkpoint": "sft", "benchmark": benchmark, "question_id": question, "method": method, "tries": tries}
        | {"answers": 8, "tokens": 100.0, "solved": value, "chosen_correct": value > 0.5}
        for question, value in solved.items()
    ]


def table(*parts: list[dict]) -> pl.DataFrame:
    return pl.DataFrame([row for part in parts for row in part], schema=MCTS_DECODING)


SEARCHED = {"a": 1.0, "b": 1.0, "c": 0.0, "d": 1.0}
SAMPLED = {"a": 1.0, "b": 0.25, "c": 0.5, "d": 0.75}


def test_the_arithmetic_by_hand():
    found = summarize_decoding(table(rows("mcts", SEARCHED), rows("sampling", dict(reversed(SAMPLED.items())))), 0.95)
    assert found.schema == TEST_AT_N
    assert found["benchmark"].to_list() == ["all", "all", "letters", "letters"]
    search, sampling = found.filter(benchmark="all").to_dicts()
    assert (search["method"], sampling["method"]) == ("mcts", "sampling")
    assert (search["solved"], sampling["solved"]) == (0.75, 0.625)
    assert search["solved_gain"] == pytest.approx((0 + 0.75 - 0.5 + 0.25) / 4)
    assert (search["chosen"], sampling["chosen"]) == (0.75, 0.5)
    assert search["chosen_gain"] == pytest.approx(0.25)
    assert sampling["solved_gain"] is None
    assert search["questions"] == 4
    for measure in ("solved", "solved_gain", "chosen", "chosen_gain"):
        assert search[f"{measure}_low"] <= search[measure] <= search[f"{measure}_high"]


def test_gains_are_paired_so_that_hard_questions_do_not_widen_them():
    """Search is better by the same on every question: the gain has no spread, the rates have."""
    sampled = {f"q{i}": i / 20 for i in range(11)}
    found = summarize_decoding(
        table(rows("mcts", {q: v + 0.25 for q, v in sampled.items()}), rows("sampling", sampled)), 0.95
    )
    row = found.row(0, named=True)
    assert row["solved_gain_low"] == pytest.approx(0.25)
    assert row["solved_gain_high"] == pytest.approx(0.25)
    assert row["solved_high"] - row["solved_low"] > 0.1


def test_benchmarks_and_ns_stand_apart_and_published_ones_are_not_in_all():
    found = summarize_decoding(
        table(
            *(rows(m, {"a": 1.0}, tries=n) for n in (1, 8) for m in ("mcts", "sampling")),
            *(rows(m, {"g": 0.0}, benchmark="GSM8K") for m in ("mcts", "sampling")),
        ),
        0.95,
    )
    solved = {(r["benchmark"], r["tries"]): r["solved"] for r in found.filter(method="mcts").iter_rows(named=True)}
    assert solved == {("all", 1): 1.0, ("all", 8): 1.0, ("letters", 1): 1.0, ("letters", 8): 1.0, ("GSM8K", 8): 0.0}


def test_nothing_decoded_gives_no_rows():
    assert summarize_decoding(MCTS_DECODING.to_frame(), 0.95).equals(TEST_AT_N.to_frame())
