"""Best-of-N and beam search: baselines on the same driver, with the same tables, at the same price."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marco_dag.engines import Completion, Request, ScriptedEngine
from marco_dag.search import Forest, SearchConfig, search_trees
from tests.search.test_search_invariants import check_counts, check_distinct, check_leaf, check_shape, random_model

Grow = Callable[..., Forest]
MakeSeeds = Callable[..., pl.DataFrame]
PathsOf = Callable[[pl.DataFrame], list[list[dict[str, object]]]]

BASELINES = ("best-of-n", "beam")


def varied(request: Request, sample: int) -> str:
    """Every thought another; "banana" has three a, which is answered one time in three."""
    draw = random.Random(f"{request.seed} {sample}")
    answer = request.stop[0] == "</answer>"
    return (draw.choice("345") if answer else f"step {draw.randrange(10**6)}") + request.stop[0]


class Recorder(ScriptedEngine):
    """Remembers what it was asked."""

    def __init__(self, write: Callable[[Request, int], str], confidence: Callable[[str], float] | None = None) -> None:
        super().__init__(write)
        self.asked: list[Request] = []
        self._confidence = confidence

    async def complete(self, request: Request) -> Sequence[Completion]:
        self.asked.append(request)
        completions = await super().complete(request)
        if self._confidence is None or not request.confidence:
            return completions
        return [
            Completion(c.text, c.tokens, c.finish_reason, c.stop, confidence=self._confidence(c.text))
            for c in completions
        ]


def search(engine: ScriptedEngine, seeds: pl.DataFrame, **config: object) -> Forest:
    plain = SearchConfig.model_validate({"openings": {}, "instructions": "", **config})
    return search_trees(seeds, {"generator": engine, "critic": engine}, plain, seed=0)


class TestBestOfN:
    def test_chains_are_written_as_if_there_were_no_other(self, make_seeds: MakeSeeds) -> None:
        engine = Recorder(varied)
        forest = search(
            engine, make_seeds("banana"), strategy="best-of-n", samples=6, rollouts=6, patterns=("c",), correct_most=99,
            correct_enough=99, max_reflections=0,
        )  # fmt: skip
        assert {request.n for request in engine.asked} == {1}
        assert len({(request.prefix, request.seed) for request in engine.asked}) == len(engine.asked)
        roots = forest.thoughts.filter(pl.col("parent_id").is_null())
        assert roots.height == 6
        assert forest.trees["rollouts"].item() == 6
        assert forest.trees["strategy"].item() == "best-of-n"

    def test_chains_that_say_the_same_share_their_nodes_and_go_on_each_for_itself(self, make_seeds: MakeSeeds) -> None:
        def alike_at_first(request: Request, sample: int) -> str:
            return "same</sub-task>" if request.stop[0] == "</sub-task>" else varied(request, sample)

        forest = search(
            Recorder(alike_at_first), make_seeds("banana"), strategy="best-of-n", samples=5, rollouts=5,
            patterns=("a",), correct_most=99, correct_enough=99, hopeless_after=None,
        )  # fmt: skip
        roots = forest.thoughts.filter(pl.col("parent_id").is_null())
        assert roots.height == 1
        assert forest.thoughts.filter(depth=2).height == 5

    def test_a_wrong_answer_is_reflected_on_by_the_critic(self, make_seeds: MakeSeeds) -> None:
        forest = search(Recorder(varied), make_seeds("banana"), strategy="best-of-n", rollouts=8, patterns=("a",))
        forced = forest.thoughts.filter("forced")
        assert set(forced["kind"]) == {"reflection"}
        assert set(forced["role"]) == {"critic"}

    def test_further_rounds_follow_until_a_stop_rule_holds(self, make_seeds: MakeSeeds) -> None:
        forest = search(
            Recorder(varied), make_seeds("banana"), strategy="best-of-n", samples=2, rollouts=50, correct_enough=3,
            max_reflections=0,
        )  # fmt: skip
        tree = forest.trees.row(0, named=True)
        assert tree["stop_reason"] == "correct_enough"
        assert 3 <= tree["rollouts"] < 50
        assert tree["rollouts"] % 2 == 0


class TestBeam:
    def test_the_most_confident_thoughts_of_each_level_are_grown_on(self, make_seeds: MakeSeeds) -> None:
        def confidence(text: str) -> float:
            return int(text.split()[-1]) / 10**6 if text.startswith("step") else 0.5

        engine = Recorder(varied, confidence)
        forest = search(
            engine, make_seeds("banana"), strategy="beam", beam_width=2, children=3, rollouts=2, patterns=("b",),
            max_reflections=0,
        )  # fmt: skip
        thoughts = forest.thoughts
        first = thoughts.filter(depth=1).sort("confidence", descending=True)["node_id"].to_list()
        grown = set(thoughts.filter(depth=2)["parent_id"])
        assert grown <= set(first[:2])
        assert all(request.confidence for request in engine.asked)

    def test_groups_grow_subtrees_of_their_own(self, make_seeds: MakeSeeds) -> None:
        engine = Recorder(varied)
        search(engine, make_seeds("banana"), strategy="beam", beam_width=4, beam_groups=4, rollouts=4, patterns=("a",))
        roots = [request for request in engine.asked if request.prefix == "<sub-task>"]
        assert len({request.seed for request in roots}) == 4

    def test_a_place_counts_as_a_rollout_and_no_more_are_taken(self, make_seeds: MakeSeeds) -> None:
        forest = search(
            Recorder(varied), make_seeds("banana"), strategy="beam", beam_width=4, rollouts=6, correct_most=99,
            correct_enough=99, hopeless_after=None,
        )  # fmt: skip
        tree = forest.trees.row(0, named=True)
        assert (tree["rollouts"], tree["stop_reason"]) == (6, "rollouts")


@pytest.mark.parametrize("strategy", BASELINES)
@pytest.mark.parametrize("budget", [1, 200, 2000])
def test_a_budget_of_tokens_is_kept_to_within_one_step(strategy: str, budget: int, make_seeds: MakeSeeds) -> None:
    forest = search(
        Recorder(varied), make_seeds("banana"), strategy=strategy, max_tree_tokens=budget, rollouts=10_000,
        correct_most=10_000, correct_enough=10_000, hopeless_after=None, max_thought_tokens=40,
    )  # fmt: skip
    tree = forest.trees.row(0, named=True)
    assert tree["stop_reason"] == "max_tree_tokens"
    assert budget <= tree["tokens"] <= budget + 8 * 2 * 2 * 40


@pytest.mark.parametrize("strategy", BASELINES)
def test_a_tree_is_a_function_of_its_seed(strategy: str, make_seeds: MakeSeeds) -> None:
    seeds = make_seeds("banana", "papaya", "llama")
    forests = [search(Recorder(varied), seeds, strategy=strategy, live_sequences=live) for live in (1, 50)]
    assert forests[0].thoughts.equals(forests[1].thoughts)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    model=st.builds(
        random_model,
        seed=st.integers(0, 10**6),
        hostility=st.sampled_from((0.05, 0.0, 0.5)),
        accuracy=st.sampled_from((0.3, 0.0, 1.0)),
        variety=st.sampled_from((1000, 3, 1)),
    ),
    limit=st.fixed_dictionaries(
        {
            "strategy": st.sampled_from(BASELINES),
            "children": st.integers(1, 3),
            "rollouts": st.sampled_from((12, 5, 1)),
            "samples": st.sampled_from((4, 1)),
            "beam_width": st.integers(1, 4),
            "beam_groups": st.sampled_from((1, 2, 9)),
            "max_depth": st.sampled_from((9, 5)),
            "max_reflections": st.sampled_from((2, 0)),
            "max_thought_tokens": st.sampled_from((400, 5)),
            "max_tree_tokens": st.sampled_from((None, 300)),
        }
    ),
    seed=st.integers(0, 99),
)
def test_whatever_the_model_writes(
    grow: Grow, paths_of: PathsOf, model: Callable[[Request, int], str], limit: dict[str, object], seed: int
) -> None:
    forest = grow(model, seed=seed, **limit)
    config = SearchConfig.model_validate(limit)
    tree = forest.trees.row(0, named=True)
    paths = paths_of(forest.thoughts)
    check_counts(forest.thoughts, tree)
    for path in paths:
        check_leaf(path)
        check_shape(path, tree["pattern"], forest.thoughts, config)
    check_distinct(paths, tree)
    assert tree["rollouts"] <= config.rollouts
    assert Counter(forest.thoughts["node_id"]).most_common(1)[0][1] == 1
