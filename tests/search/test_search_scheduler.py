import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from marco_dag.engines import Completion, Engine, Request, ScriptedEngine
from marco_dag.errors import EngineError, EngineUnavailableError, SearchError
from marco_dag.schemas import SEED_PROMPTS
from marco_dag.search import THOUGHTS_FILE, TREES_FILE, SearchConfig, grow_forest, search_into, search_trees
from marco_dag.search.admission import Admission, Seat
from marco_dag.search.prompts import Ask, PromptWriter
from marco_dag.search.tree import Tree
from marco_dag.tasks import Reference, Verdict
from marco_dag.thoughts import ThoughtKind

MakeSeeds = Callable[..., pl.DataFrame]

MANY = [f"{letter}{number}" for letter in "abcde" for number in range(40)]
"""Words of 200 questions: more than three blocks."""


def write(request: Request, sample: int) -> str:
    """Right every third time."""
    answer = str((request.seed + sample) % 3) if request.stop[0] == "</answer>" else f"step {request.seed} {sample}"
    return answer + request.stop[0]


class CountingEngine(ScriptedEngine):
    """Takes some turns of the event loop for each call, and counts what is in flight."""

    def __init__(self, capacity: int = 256, turns: int = 5) -> None:
        super().__init__(write)
        self._capacity = capacity
        self.turns = turns
        self.live = self.most_live = self.calls = 0

    @property
    def capacity(self) -> int:
        return self._capacity

    async def complete(self, request: Request) -> Sequence[Completion]:
        self.calls += 1
        self.live += request.n
        self.most_live = max(self.most_live, self.live)
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.live -= request.n
        return await super().complete(request)


def both(engine: Engine) -> dict[str, Engine]:
    return {"generator": engine, "critic": engine}


def plain(**settings: object) -> SearchConfig:
    return SearchConfig.model_validate({"openings": {}, "instructions": "", "rollouts": 6, **settings})


@pytest.mark.parametrize("capacity", [1, 8, 40])
def test_trees_begin_while_the_engine_bears_more_and_no_longer(make_seeds: MakeSeeds, capacity: int) -> None:
    engine = CountingEngine(capacity)
    search_trees(make_seeds(*MANY), both(engine), plain(parallel_rollouts=1), seed=0)
    widest_ask = 4  # two kinds of two children
    assert capacity <= engine.most_live + widest_ask
    assert engine.most_live <= capacity * widest_ask


def test_the_profile_may_say_how_much_is_in_flight(make_seeds: MakeSeeds) -> None:
    engine = CountingEngine()
    search_trees(make_seeds(*MANY), both(engine), plain(live_sequences=1, parallel_rollouts=1), seed=0)
    assert engine.most_live <= 4


def asks(writer: PromptWriter, *kinds: ThoughtKind) -> list[Ask]:
    return [writer.ask(Tree("t").root, "", kind) for kind in kinds]


def test_a_seat_keeps_its_size_between_two_calls() -> None:
    admission = Admission(both(ScriptedEngine(write)), 100)
    seat, writer = Seat(admission), PromptWriter("p", "t", plain(), 0)
    first, second = asks(writer, ThoughtKind.THINKING, ThoughtKind.ANSWER), asks(writer, ThoughtKind.DOUBLE_CHECK)
    seat.take(first)
    assert admission.live == 4
    seat.answered(first)
    assert admission.live == 4
    seat.take(second)
    assert admission.live == 2
    seat.answered(second)
    seat.free()
    assert admission.live == 0


def test_trees_that_wait_for_a_busy_critic_do_not_pile_up() -> None:
    generator, critic = CountingEngine(10), CountingEngine(10)
    admission = Admission({"generator": generator, "critic": critic}, None)
    writer = PromptWriter("p", "t", plain(), 0)

    def begin(kind: ThoughtKind) -> bool:
        """Whether a tree that asks for `kind` finds room within a few turns."""

        async def try_it() -> bool:
            try:
                await asyncio.wait_for(admission.wait_for_room(), 0.01)
            except TimeoutError:
                return False
            Seat(admission).take(asks(writer, kind))
            return True

        return asyncio.run(try_it())

    reviewing = 0
    while begin(ThoughtKind.DOUBLE_CHECK):
        reviewing += 1
    assert reviewing == 10  # of two sequences each: what both engines bear together


def test_a_slow_tree_holds_nobody_up(make_seeds: MakeSeeds, tmp_path: Path) -> None:
    class Slow(ScriptedEngine):
        """Answers for the first question only when everybody else has finished."""

        async def complete(self, request: Request) -> Sequence[Completion]:
            while request.messages[-1].content == "How many a in a0?" and finished_blocks() < 3:
                await asyncio.sleep(0.001)
            return await super().complete(request)

    def finished_blocks() -> int:
        return len(list(tmp_path.glob("search/**/*thoughts*.parquet")))

    search_into(tmp_path, make_seeds(*MANY), both(Slow(write)), plain(live_sequences=40), seed=0)
    assert pl.read_parquet(tmp_path / TREES_FILE).height == len(MANY)


class Outage(CountingEngine):
    """Is gone for good after so many calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    async def complete(self, request: Request) -> Sequence[Completion]:
        self.left -= 1
        if self.left < 0:
            raise EngineUnavailableError("nobody answers any more")
        return await super().complete(request)


def test_an_engine_that_is_gone_stops_the_search_which_goes_on_where_it_was(
    make_seeds: MakeSeeds, tmp_path: Path
) -> None:
    seeds, config = make_seeds(*MANY), plain()
    whole = CountingEngine()
    undisturbed = search_trees(seeds, both(whole), config, seed=0)
    with pytest.raises(EngineUnavailableError, match="nobody answers any more"):
        search_into(tmp_path, seeds, both(Outage(whole.calls // 2)), config, seed=0)
    assert not (tmp_path / TREES_FILE).exists()
    rest = CountingEngine()
    search_into(tmp_path, seeds, both(rest), config, seed=0)
    assert rest.calls < 0.7 * whole.calls
    assert_frame_equal(pl.read_parquet(tmp_path / THOUGHTS_FILE), undisturbed.thoughts)
    assert_frame_equal(pl.read_parquet(tmp_path / TREES_FILE).drop("seconds"), undisturbed.trees.drop("seconds"))


def test_a_search_of_other_inputs_is_refused_in_the_folder(make_seeds: MakeSeeds, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError):
        search_into(tmp_path, make_seeds(*MANY), both(Outage(50)), plain(), seed=0)
    with pytest.raises(SearchError, match="config"):
        search_into(tmp_path, make_seeds(*MANY), both(CountingEngine()), plain(children=3), seed=0)


class Refusing(ScriptedEngine):
    """Serves nothing of the kind."""

    async def check(self, request: Request) -> None:
        raise EngineError(f"no model for {json.dumps(request.messages[-1].content)}")


def test_an_engine_that_refuses_is_named_before_anything_is_asked(make_seeds: MakeSeeds) -> None:
    generator = CountingEngine()
    with pytest.raises(EngineError, match=r'critic: no model for "How many a in b\?"'):
        search_trees(make_seeds("banana", "b"), {"generator": generator, "critic": Refusing(write)}, plain(), seed=0)
    assert generator.calls == 0


def test_engines_are_closed_in_the_loop_of_the_search(make_seeds: MakeSeeds, tmp_path: Path) -> None:
    class Closing(ScriptedEngine):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    engine = Closing(write)
    asyncio.run(grow_forest(tmp_path, make_seeds("banana"), both(engine), plain(), seed=0))
    assert engine.closed == 1


def test_a_budget_is_one_trees_own(make_seeds: MakeSeeds) -> None:
    seeds = make_seeds("banana", "papaya")
    free = search_trees(seeds, both(CountingEngine()), plain(), seed=0)
    poor, other = seeds["seed_id"]
    forest = search_trees(seeds, both(CountingEngine()), plain(), seed=0, budgets={poor: 1})
    reasons = dict(forest.trees.select("seed_id", "stop_reason").iter_rows())
    assert reasons[poor] == "max_tree_tokens"
    assert_frame_equal(
        forest.trees.filter(seed_id=other).drop("seconds"), free.trees.filter(seed_id=other).drop("seconds")
    )


class Deliberate:
    """A task whose check takes its time, and waits for another tree's."""

    name = "deliberate"

    def __init__(self) -> None:
        self.under_way = self.most_under_way = 0

    def check_reference(self, reference: Reference) -> None:
        pass

    def verify(self, response: str, reference: Reference) -> Verdict:
        raise AssertionError("a search does not wait for a slow check")

    async def verify_aside(self, response: str, reference: Reference) -> Verdict:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0.005)
        self.under_way -= 1
        return Verdict("correct", "after some thought")


def test_a_slow_check_holds_up_its_own_tree_alone() -> None:
    rows = [(f"seed-{i}", "deliberate", f"Question {i}", "{}", "mine", "train", "b") for i in range(20)]
    task = Deliberate()
    seeds = pl.DataFrame(rows, SEED_PROMPTS, orient="row")
    forest = search_trees(seeds, both(CountingEngine()), plain(), seed=0, tasks={"deliberate": task})
    assert task.most_under_way > 5
    assert set(forest.thoughts["verdict"].drop_nulls()) == {"after some thought"}
