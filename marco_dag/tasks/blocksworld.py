"""Blocksworld: find moves that bring a state of stacked blocks to a goal; any valid plan is right.

A fact `B/A` says that block B stands on block A, `B/T` that it stands on the table.
As a move, the same text puts it there.
"""

import itertools
import random
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import ClassVar, TypeAlias

from marco_dag.identity import JsonValue
from marco_dag.tasks.answers import no_answer, read_answer, shown
from marco_dag.tasks.protocol import Question, Reference, Verdict

TABLE = "T"
"""The support of a block that stands on no other."""

State: TypeAlias = dict[str, str]
"""Block → what it stands on: every block in a state, some of them in a goal."""

Facts: TypeAlias = tuple[tuple[str, str], ...]
"""A state or goal that can be hashed."""

Move: TypeAlias = tuple[str, str]
"""A block and what it is put on."""

_BLOCKS = "ABCD"
_GOAL_SIZES = (1, 2)
_LONGEST_PLAN = 3


class BlocksworldTask:
    """Reference: `start`, every block → its support (a block or "T"), and `goal`, the same for some of the blocks."""

    name: ClassVar[str] = "blocksworld"

    def generate(self, rng: random.Random) -> Question:
        """Four blocks, a goal of one or two facts, and a shortest plan of 1, 2 or 3 moves, equally likely."""
        start, goal = rng.choice(_problems()[rng.randint(1, _LONGEST_PLAN)])
        prompt = f"Blocks {render_facts(dict(start))} Goal {render_facts(dict(goal))}"
        return Question(prompt, {"start": dict(start), "goal": dict(goal)})

    def check_reference(self, reference: Reference) -> None:
        """ValueError where `start` is no possible state, or `goal` cannot be reached from any."""
        start = _check_facts("start", reference.get("start"))
        goal = _check_facts("goal", reference.get("goal"))
        for field, facts in (("start", start), ("goal", goal)):
            if unknown := sorted(({*facts} | {*facts.values()}) - {*start} - {TABLE}):
                raise ValueError(f"{field}: block {unknown[0]!r} stands nowhere in start")

    def verify(self, response: str, reference: Reference) -> Verdict:
        """Correct where the answer's moves, separated by white space, are each legal and lead to the goal."""
        answer = read_answer(response)
        if answer is None:
            return no_answer()
        state, goal = _as_state(reference["start"]), _as_state(reference["goal"])
        for number, text in enumerate(answer.split(), start=1):
            block, slash, support = text.partition("/")
            if not slash:
                return Verdict("wrong", f"move {number}: {shown(text)} is not written block/support", answer)
            if obstacle := _obstacle(state, block, support):
                return Verdict("wrong", f"move {number} {shown(text)}: {obstacle}", answer)
            state[block] = support
        missing = {block: support for block, support in goal.items() if state.get(block) != support}
        if missing:
            return Verdict("wrong", f"the plan ends without {render_facts(missing)}", answer)
        return Verdict("correct", "the plan is valid and reaches the goal", answer)


def render_facts(facts: Mapping[str, str]) -> str:
    """The facts of a state or goal as a prompt shows them: `A/T B/A`."""
    return " ".join(f"{block}/{support}" for block, support in facts.items())


def is_clear(state: Mapping[str, str], block: str) -> bool:
    """Whether nothing stands on `block`."""
    return block not in state.values()


def legal_moves(state: Mapping[str, str]) -> Iterator[Move]:
    """Every move that changes `state`, by block, the table first."""
    for block in state:
        for support in (TABLE, *state):
            if _obstacle(state, block, support) is None and state[block] != support:
                yield block, support


def shortest_plan(start: Mapping[str, str], goal: Mapping[str, str]) -> Sequence[Move]:
    """A shortest list of moves from `start` to a state where the goal's facts hold; empty where they hold already.

    Of several it is the first in the order of `legal_moves`. ValueError where the goal cannot be reached.
    """
    for state, plan in _reachable(start):
        if _holds(goal, state):
            return plan
    raise ValueError(f"goal: {render_facts(goal)} cannot be reached")


def _reachable(start: Mapping[str, str]) -> Iterator[tuple[State, tuple[Move, ...]]]:
    """Every state that can be reached from `start`, nearest first, with a shortest plan to it."""
    queue: deque[tuple[State, tuple[Move, ...]]] = deque([(dict(start), ())])
    seen = {frozenset(start.items())}
    while queue:
        state, plan = queue.popleft()
        yield state, plan
        for block, support in legal_moves(state):
            after = {**state, block: support}
            if (key := frozenset(after.items())) not in seen:
                seen.add(key)
                queue.append((after, (*plan, (block, support))))


def _holds(goal: Mapping[str, str], state: Mapping[str, str]) -> bool:
    return all(state.get(block) == support for block, support in goal.items())


def _obstacle(state: Mapping[str, str], block: str, support: str) -> str | None:
    """Why `block` cannot be put on `support`, or None where it can."""
    if block not in state:
        return f"there is no block {shown(block)}"
    if support != TABLE and support not in state:
        return f"there is no block {shown(support)}"
    if block == support:
        return "a block cannot stand on itself"
    if not is_clear(state, block):
        return f"{block} is not clear"
    if support != TABLE and not is_clear({b: s for b, s in state.items() if b != block}, support):
        return f"{support} is not clear"
    return None


@cache
def _problems() -> Mapping[int, Sequence[tuple[Facts, Facts]]]:
    """Every start and goal of the blocks A to D, by the length of a shortest plan; a goal puts a block on a block."""
    supports = itertools.product(*([TABLE] + [other for other in _BLOCKS if other != block] for block in _BLOCKS))
    states = [dict(zip(_BLOCKS, choice, strict=True)) for choice in supports]
    states = [state for state in states if _defect(state) is None]
    goals = {
        facts: None
        for state in states
        for size in _GOAL_SIZES
        for facts in itertools.combinations(state.items(), size)
        if any(support != TABLE for _, support in facts)
    }
    problems: dict[int, list[tuple[Facts, Facts]]] = {}
    for start in states:
        plans = [(state, len(plan)) for state, plan in _reachable(start)]
        for goal in goals:
            length = next(length for state, length in plans if _holds(dict(goal), state))
            problems.setdefault(length, []).append((tuple(start.items()), goal))
    return problems


def _defect(facts: Mapping[str, str]) -> str | None:
    """Why no state can hold these facts, or None where one can."""
    blocks_below = [support for support in facts.values() if support != TABLE]
    if crowded := sorted(block for block in set(blocks_below) if blocks_below.count(block) > 1):
        return f"two blocks stand on {crowded[0]!r}"
    for block in facts:
        below, height = block, 0
        while below in facts:
            below, height = facts[below], height + 1
            if height > len(facts):
                return f"block {block!r} stands on itself"
    return None


def _check_facts(field: str, value: JsonValue) -> State:
    if not isinstance(value, dict) or not value:
        raise ValueError(f'{field}: must map blocks to what they stand on, such as {{"A": "T"}}')
    facts: State = {}
    for block, support in value.items():
        if not isinstance(support, str) or not support:
            raise ValueError(f"{field}: what {block!r} stands on must be a block or {TABLE!r}")
        if any(not name or "/" in name or name.split() != [name] for name in (block, support)):
            raise ValueError(
                f"{field}: a block's name holds no white space and no '/', unlike {block!r} or {support!r}"
            )
        facts[block] = support
    if TABLE in facts:
        raise ValueError(f"{field}: {TABLE!r} is the table and cannot be a block")
    if defect := _defect(facts):
        raise ValueError(f"{field}: {defect}")
    return facts


def _as_state(value: JsonValue) -> State:
    assert isinstance(value, dict)
    return {block: str(support) for block, support in value.items()}
