import asyncio
import random
import re
from collections.abc import Callable, Sequence

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from marco_dag.engines.protocol import Completion, Request
from marco_dag.engines.scripted import ScriptedEngine
from marco_dag.errors import EngineError, ProfileError, SearchError
from marco_dag.schemas import SEED_PROMPTS, THOUGHTS, TREES
from marco_dag.search import Forest, SearchConfig, search_trees
from marco_dag.tasks.protocol import Question, Reference, Verdict
from marco_dag.thoughts import extract_answer

Grow = Callable[..., Forest]
MakeSeeds = Callable[..., pl.DataFrame]

WORDS = ("banana", "papaya", "cat", "dog", "llama", "aardvark", "zebra", "panda")


def noisy(request: Request, sample: int) -> str:
    """A model that answers 0 to 4 at random, sometimes repeats itself and sometimes forgets to close."""
    draw = (request.seed // (sample + 1)) % 5
    end = "" if (request.seed + sample) % 11 == 0 else request.stop[0]
    return f"{draw}{end}"


def without_seconds(forest: Forest) -> tuple[pl.DataFrame, pl.DataFrame]:
    return forest.trees.drop("seconds"), forest.thoughts


def test_one_tree_a_seed_in_the_seeds_order_under_the_schemas(grow: Grow, make_seeds: MakeSeeds) -> None:
    seeds = make_seeds(*WORDS)
    forest = grow(noisy, seeds=seeds)
    assert forest.trees.schema == TREES
    assert forest.thoughts.schema == THOUGHTS
    assert forest.trees["seed_id"].to_list() == seeds["seed_id"].to_list()
    assert set(forest.trees["task"]) == {"letters"}
    assert set(forest.trees["batch"]) == {"first"}
    counts = forest.thoughts.group_by("tree_id", maintain_order=True).len()
    assert counts["tree_id"].to_list() == forest.trees["tree_id"].to_list()
    assert counts["len"].to_list() == forest.trees["nodes"].to_list()


@pytest.mark.parametrize("live_sequences", [1, 3, 100])
def test_the_tables_do_not_depend_on_how_much_is_in_flight(
    grow: Grow, make_seeds: MakeSeeds, live_sequences: int
) -> None:
    seeds = make_seeds(*WORDS)
    for one, other in zip(
        without_seconds(grow(noisy, seeds=seeds)),
        without_seconds(grow(noisy, seeds=seeds, live_sequences=live_sequences)),
        strict=True,
    ):
        assert_frame_equal(one, other)


class Unsteady(ScriptedEngine):
    """Its calls come back in another order than they went out, by a different one each time."""

    def __init__(self, salt: int) -> None:
        super().__init__(noisy)
        self.salt = salt

    async def complete(self, request: Request) -> Sequence[Completion]:
        for _ in range((request.seed * self.salt) % 7):
            await asyncio.sleep(0)
        return await super().complete(request)


def test_the_tables_do_not_depend_on_which_call_is_served_first(make_seeds: MakeSeeds) -> None:
    forests = []
    for salt in (1, 3, 5):
        engines = {"generator": Unsteady(salt), "critic": Unsteady(salt + 1)}
        forests.append(without_seconds(search_trees(make_seeds(*WORDS), engines, SearchConfig(openings={}), seed=4)))
    for forest in forests[1:]:
        assert_frame_equal(forest[0], forests[0][0])
        assert_frame_equal(forest[1], forests[0][1])


def test_a_tree_does_not_depend_on_its_neighbours(grow: Grow, make_seeds: MakeSeeds) -> None:
    alone = grow(noisy, seeds=make_seeds("llama"))
    among = grow(noisy, seeds=make_seeds(*WORDS))
    tree_id = alone.trees["tree_id"].item()
    assert_frame_equal(among.thoughts.filter(tree_id=tree_id), alone.thoughts)


def test_seed_settings_and_models_each_give_another_tree(grow: Grow) -> None:
    ids = [
        forest.trees["tree_id"].item()
        for forest in (
            grow(noisy, patterns=("a",)),
            grow(noisy, patterns=("a",), seed=1),
            grow(noisy, patterns=("a",), exploration=1.0),
            grow(noisy, patterns=("b",)),
        )
    ]
    assert len(set(ids)) == 4
    assert grow(noisy, patterns=("a",), live_sequences=1).trees["tree_id"].item() == ids[0]


def test_patterns_are_drawn_over_the_trees(grow: Grow, make_seeds: MakeSeeds) -> None:
    seeds = make_seeds(*(f"{word}{letter}" for word in WORDS for letter in "abcdefgh"))
    counts = grow(noisy, seeds=seeds, rollouts=1).trees["pattern"].value_counts()
    assert set(counts["pattern"]) == {"a", "b", "c", "d"}
    assert counts["count"].min() > 5


def test_no_seeds_are_no_trees_and_no_crash(grow: Grow) -> None:
    forest = grow(noisy, seeds=SEED_PROMPTS.to_frame())
    assert forest.trees.is_empty()
    assert forest.trees.schema == TREES
    assert forest.thoughts.is_empty()
    assert forest.thoughts.schema == THOUGHTS


def failing_on(*words: str) -> Callable[[Request, int], str]:
    def write(request: Request, sample: int) -> str:
        if any(word in request.messages[-1].content for word in words) and "</sub-task>" in request.prefix:
            raise EngineError(f"cannot serve {request.messages[-1].content!r}")
        return noisy(request, sample)

    return write


def test_a_tree_that_fails_loses_neither_the_others_nor_what_it_had(grow: Grow, make_seeds: MakeSeeds) -> None:
    sound = grow(noisy, seeds=make_seeds(*WORDS))
    forest = grow(failing_on("dog", "cat"), seeds=make_seeds(*WORDS), live_sequences=6)
    reasons = dict(zip(WORDS, forest.trees["stop_reason"], strict=True))
    assert reasons["dog"] == "failed: cannot serve 'How many a in dog?'"
    for word, tree_id in zip(WORDS, forest.trees["tree_id"], strict=True):
        rows = forest.thoughts.filter(tree_id=tree_id)
        if word in ("dog", "cat"):
            assert set(rows["kind"]) <= {"sub-task"}
        else:
            assert_frame_equal(rows, sound.thoughts.filter(tree_id=tree_id))


def test_when_every_tree_fails_the_first_cause_is_raised(grow: Grow, make_seeds: MakeSeeds) -> None:
    def down(request: Request, sample: int) -> str:
        raise EngineError(f"nobody listens to {request.messages[-1].content!r}")

    message = "all 8 trees failed; the first: nobody listens to 'How many a in banana\\?'"
    with pytest.raises(SearchError, match=message) as caught:
        grow(down, seeds=make_seeds(*WORDS))
    assert isinstance(caught.value.__cause__, EngineError)


def test_a_programming_error_is_raised_as_it_is(grow: Grow, make_seeds: MakeSeeds) -> None:
    def broken(request: Request, sample: int) -> str:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        grow(broken, seeds=make_seeds(*WORDS))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("task", "juggling", "task: unknown task 'juggling'; known: letters"),
        ("reference", "{", "reference: Expecting property name"),
        ("reference", "[]", "reference: '[]' is not a JSON object"),
        ("reference", '{"word": "x"}', "reference: letter: must be one character"),
        ("prompt", None, "prompt: null"),
    ],
)
def test_a_bad_seed_is_named(grow: Grow, make_seeds: MakeSeeds, column: str, value: object, message: str) -> None:
    seeds = make_seeds("banana").with_columns(pl.lit(value, pl.String).alias(column))
    with pytest.raises(SearchError, match=re.escape(f"seed {seeds['seed_id'].item()}: {message}")):
        grow(noisy, seeds=seeds)


def test_a_seed_that_stands_twice_is_refused(grow: Grow, make_seeds: MakeSeeds) -> None:
    with pytest.raises(SearchError, match="stands in the seed prompts twice"):
        grow(noisy, seeds=make_seeds("banana", "banana"))


def test_a_frame_of_another_shape_is_refused(grow: Grow, make_seeds: MakeSeeds) -> None:
    with pytest.raises(SearchError, match=re.escape("missing columns ['prompt']")):
        grow(noisy, seeds=make_seeds("banana").drop("prompt"))


def test_a_role_without_an_engine_is_named(make_seeds: MakeSeeds) -> None:
    with pytest.raises(SearchError, match="no engine for the role critic"):
        search_trees(make_seeds("banana"), {"generator": ScriptedEngine(noisy)}, SearchConfig(), seed=0)


def test_an_impossible_pattern_is_refused_even_without_seeds(grow: Grow) -> None:
    with pytest.raises(ProfileError, match="no pattern 'z'"):
        grow(noisy, seeds=SEED_PROMPTS.to_frame(), patterns=("z",))


def test_the_front_door_grows_the_same_forest_and_shows_its_progress(
    grow: Grow, make_seeds: MakeSeeds, capsys: pytest.CaptureFixture[str]
) -> None:
    engines = {"generator": ScriptedEngine(noisy, "the-generator"), "critic": ScriptedEngine(noisy, "the-critic")}
    config = SearchConfig(openings={}, instructions="")
    forest = search_trees(make_seeds(*WORDS), engines, config, seed=0)
    assert_frame_equal(forest.thoughts, grow(noisy, seeds=make_seeds(*WORDS)).thoughts)
    shown = capsys.readouterr().err
    solved = forest.trees.filter(pl.col("correct") > 0).height
    assert "8/8" in shown
    assert f"solved={solved}" in shown
    assert "tokens_per_s=" in shown


class Echo:
    """A task of the user's own: the answer is the prompt."""

    name = "echo"

    def generate(self, rng: random.Random) -> Question:
        return Question("x", {})

    def check_reference(self, reference: Reference) -> None:
        pass

    def verify(self, response: str, reference: Reference) -> Verdict:
        right = extract_answer(response) == reference["say"]
        return Verdict("correct" if right else "wrong", "echoed" if right else "not echoed")


def test_a_task_of_the_users_own_can_be_searched() -> None:
    seeds = pl.DataFrame(
        [("seed-1", "echo", "Say x", '{"say": "x"}', "mine", "train", "b")], SEED_PROMPTS, orient="row"
    )
    engine = ScriptedEngine(lambda request, _sample: "x" + request.stop[0])
    engines = {"generator": engine, "critic": engine}
    forest = search_trees(seeds, engines, SearchConfig(openings={}), seed=0, tasks={"echo": Echo()})
    assert forest.trees["correct"].item() > 0
    assert set(forest.thoughts["verdict"].drop_nulls()) == {"echoed"}
