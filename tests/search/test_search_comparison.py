"""Baselines at the tokens of a search, seed by seed, with paired gains."""

import math
import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from marco_dag.engines import Request, ScriptedEngine
from marco_dag.schemas import STRATEGY_COMPARISON, TREES
from marco_dag.search import SearchConfig, compare_strategies, search_trees
from marco_dag.search.comparison import summarize_strategies

MakeSeeds = Callable[..., pl.DataFrame]


def write(request: Request, sample: int) -> str:
    """Right one time in three."""
    draw = random.Random(f"{request.seed} {sample}")
    answer = request.stop[0] == "</answer>"
    return (draw.choice("123") if answer else f"step {draw.randrange(10**6)}") + request.stop[0]


def test_each_baseline_gets_the_tokens_of_the_tree(make_seeds: MakeSeeds, tmp_path: Path) -> None:
    engine = ScriptedEngine(write)
    engines, seeds = {"generator": engine, "critic": engine}, make_seeds(*(f"a{i}" for i in range(30)))
    config = SearchConfig(openings={}, instructions="", rollouts=8, beam_width=3)
    trees = search_trees(seeds, engines, config, seed=0).trees
    found = compare_strategies(tmp_path, trees, seeds, engines, config, seed=0)
    assert found.schema == STRATEGY_COMPARISON
    assert found["strategy"].to_list() == ["mcts", "best-of-n", "beam", "diverse-beam"]
    own, *others = found["tokens"]
    assert all(own <= tokens <= 1.4 * own for tokens in others)
    for baseline in ("best-of-n", "beam", "diverse-beam"):
        grown = pl.read_parquet(tmp_path / baseline / "trees.parquet")
        assert set(grown["stop_reason"]) == {"max_tree_tokens"}
    assert found.row(0, named=True)["correct"] == pytest.approx(trees["correct"].mean())


def test_the_arithmetic_by_hand() -> None:
    def trees(*counts: tuple[int, int]) -> pl.DataFrame:
        rows = [
            {"seed_id": f"s{i}", "correct": right, "wrong": wrong, "tokens": 100 * (i + 1), "seconds": 2.0}
            for i, (right, wrong) in enumerate(counts)
        ]
        return pl.DataFrame([dict.fromkeys(TREES) | row for row in rows], schema=TREES)

    found = summarize_strategies({"mcts": trees((2, 1), (0, 3), (4, 0)), "beam": trees((3, 1), (1, 1), (4, 0))[::-1]})
    tree, beam = found.to_dicts()
    assert (tree["solved"], tree["correct"], tree["pairable"]) == (pytest.approx(2 / 3), 2.0, pytest.approx(1 / 3))
    assert (tree["correct_gain"], tree["correct_gain_se"]) == (0.0, 0.0)
    assert (beam["solved_gain"], beam["correct_gain"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert beam["correct_gain_se"] == pytest.approx(math.sqrt(1 / 3) / math.sqrt(3))  # of 1, 1, 0
    assert (beam["tokens"], beam["seconds"]) == (200.0, 6.0)


def test_one_seed_has_no_standard_error() -> None:
    one = pl.DataFrame([dict.fromkeys(TREES) | {"seed_id": "s", "correct": 1, "wrong": 0, "tokens": 5}], schema=TREES)
    assert summarize_strategies({"mcts": one})["solved_gain_se"].to_list() == [None]
