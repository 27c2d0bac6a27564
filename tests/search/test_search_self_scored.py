"""A search that is told of no answer whether it is right: rewards by vote and by confidence, doubt, resumption."""

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from marco_dag.engines import Completion, Request, ScriptedEngine
from marco_dag.search import NO_END_BUT_TOKENS, Forest, SelfScoredConfig, search_into, search_trees
from marco_dag.tasks import TASKS
from marco_dag.tasks.voting import Blind

MakeSeeds = Callable[..., pl.DataFrame]

BLIND = {name: Blind(task) for name, task in TASKS.items()}


def write(request: Request, sample: int) -> str:
    """Says 2 half of the time, else 1, 3 or nothing that is an answer."""
    draw = random.Random(f"{request.seed} {sample}")
    kind = request.stop[0]
    if kind == "</answer>":
        return draw.choice(["2", "2", "+2", "1", "3", ""]) + kind
    return f"step {draw.randrange(10**6)}{kind}"


def config_of(**settings: object) -> SelfScoredConfig:
    base = {"openings": {}, "instructions": "", **NO_END_BUT_TOKENS, "solved_subtree": None, "max_tree_tokens": 3000}
    return SelfScoredConfig.model_validate({**base, **settings})


def search(seeds: pl.DataFrame, write: Callable[[Request, int], str] = write, **settings: object) -> Forest:
    engine = ScriptedEngine(write)
    blind = seeds.with_columns(reference=pl.lit("{}"))
    return search_trees(blind, {"generator": engine, "critic": engine}, config_of(**settings), seed=0, tasks=BLIND)


def check_values(thoughts: Sequence[dict[str, object]]) -> None:
    """Every thought's visits and value are those of the leaves below it."""
    children: dict[object, list[dict[str, object]]] = {}
    for row in thoughts:
        children.setdefault(row["parent_id"], []).append(row)
    for row in thoughts:
        own = row["is_answer"] or row["defect"] is not None
        below = children.get(row["node_id"], [])
        visits = int(own) + sum(int(str(child["visits"])) for child in below)
        value = (row["reward"] or 0.0) + sum(float(str(child["value"])) for child in below)
        assert row["visits"] == visits
        assert row["value"] == pytest.approx(value)


def test_an_answer_is_worth_its_share_of_the_votes_of_its_tree(make_seeds: MakeSeeds) -> None:
    forest = search(make_seeds(*(f"a{number}" for number in range(12))))
    for thoughts in forest.thoughts.partition_by("tree_id"):
        answers = [row for row in thoughts.to_dicts() if row["is_answer"] and row["defect"] is None]
        votes = [row["text"].lstrip("+") for row in answers]
        assert len(set(votes)) > 1
        for row, vote in zip(answers, votes, strict=True):
            assert row["reward"] == pytest.approx(votes.count(vote) / len(votes))
        check_values(thoughts.to_dicts())


def test_the_outvoted_is_reflected_on_and_the_leading_answer_is_not(make_seeds: MakeSeeds) -> None:
    seen: list[str] = []

    def writer(request: Request, sample: int) -> str:
        if request.stop[0] == "</reflection>":
            seen.append(request.prefix)
        return write(request, sample)

    search(make_seeds("banana"), writer, patterns=("a",), max_tree_tokens=5000)
    doubted = {prefix.rsplit("<answer>", 1)[1].split("</answer>")[0] for prefix in seen}
    assert doubted == {"1", "3"}


def test_confidence_is_worth_the_mean_over_the_chain(make_seeds: MakeSeeds) -> None:
    class Sure(ScriptedEngine):
        """As sure of a text as its length says."""

        async def complete(self, request: Request) -> Sequence[Completion]:
            assert request.confidence
            return [
                Completion(c.text, c.tokens, c.finish_reason, c.stop, 1 / (1 + len(c.text)))
                for c in await super().complete(request)
            ]

    engine = Sure(write)
    seeds = make_seeds("banana").with_columns(reference=pl.lit("{}"))
    roles = {"generator": engine, "critic": engine}
    forest = search_trees(seeds, roles, config_of(scored_by="confidence"), seed=0, tasks=BLIND)
    thoughts = forest.thoughts.to_dicts()
    by_id = {row["node_id"]: row for row in thoughts}
    answers = [row for row in thoughts if row["is_answer"] and row["defect"] is None]
    assert len(answers) > 3
    for answer in answers:
        path = [answer]
        while path[-1]["parent_id"] is not None:
            path.append(by_id[path[-1]["parent_id"]])
        assert answer["reward"] == pytest.approx(math.fsum(row["confidence"] for row in path) / len(path))
    check_values(thoughts)


def test_a_killed_search_goes_on_to_the_same_trees(make_seeds: MakeSeeds, tmp_path: Path) -> None:
    seeds = make_seeds("banana", "ananas").with_columns(reference=pl.lit("{}"))
    whole = search(seeds)

    calls = 0

    def dying(request: Request, sample: int) -> str:
        nonlocal calls
        calls += 1
        if calls > 40:
            raise KeyboardInterrupt
        return write(request, sample)

    engine = ScriptedEngine(dying)
    roles = {"generator": engine, "critic": engine}
    with pytest.raises(KeyboardInterrupt):
        search_into(tmp_path, seeds, roles, config_of(), seed=0, tasks=BLIND)
    engine = ScriptedEngine(write)
    roles = {"generator": engine, "critic": engine}
    search_into(tmp_path, seeds, roles, config_of(), seed=0, tasks=BLIND)
    assert pl.read_parquet(tmp_path / "thoughts.parquet").equals(whole.thoughts)
    assert pl.read_parquet(tmp_path / "trees.parquet").drop("seconds").equals(whole.trees.drop("seconds"))


def test_a_checked_search_s_trees_do_not_know_of_the_other_kind() -> None:
    from marco_dag.search import SearchConfig

    assert "scored_by" not in SearchConfig().model_dump()
    assert config_of().model_dump()["scored_by"] == "vote"
