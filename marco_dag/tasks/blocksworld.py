"""Blocksworld: find moves that bring a state of stacked blocks to a goal; any valid plan is right.

A prompt shows a state as its stacks, each from the table up: `AB C` has B on A. A fact `B/A` says that block B stands
on block A, `B/T` that it stands on the table; as a move, the same text puts it there.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import ClassVar, TypeAlias

from marco_dag.identity import JsonValue
from marco_dag.tasks.answers import no_answer, read_answer, same_words, shown
from marco_dag.tasks.protocol import Question, Reference, Verdict

TABLE = "T"
"""The support of a block that stands on no other."""

State: TypeAlias = dict[str, str]
"""Block → what it stands on: every block in a state, some of them in a goal."""

Move: TypeAlias = tuple[str, str]
"""A block and what it is put on."""

_BLOCKS = "ABCDE"
_IN_THE_WAY = (0, 1, 2)


class BlocksworldTask:
    """Reference: `start`, every block → its support (a block or "T"), and `goal`, the same for some of the blocks."""

    name: ClassVar[str] = "blocksworld"

    def generate(self, rng: random.Random) -> Question:
        """Five blocks and one block to be put on another, with 0, 1 or 2 blocks in the way, equally likely."""
        wanted = rng.choice(_IN_THE_WAY)
        while True:
            state = dict(rng.choice(_states()))
            block, support = rng.sample(_BLOCKS, 2)
            if len(blocks_in_the_way(state, block, support)) == wanted and state[block] != support:
                goal = {block: support}
                prompt = f"Blocks {render_stacks(state)} Goal {render_facts(goal)}"
                return Question(prompt, {"start": {**state}, "goal": {**goal}})

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

    def stated_answer(self, response: str) -> str | None:
        """What the last Answer block states."""
        return read_answer(response)

    def same_answer(self, first: str, second: str) -> bool:
        """Whether both are the same moves."""
        return same_words(first, second)


def render_facts(facts: Mapping[str, str]) -> str:
    """The facts of a goal as a prompt shows them: `B/A`, with spaces between."""
    return " ".join(f"{block}/{support}" for block, support in facts.items())


def render_stacks(state: Mapping[str, str]) -> str:
    """A state as a prompt shows it: its stacks from the table up, with spaces between."""
    bases = (block for block, support in state.items() if support == TABLE)
    return " ".join(base + "".join(stack_above(state, base)) for base in bases)


def is_clear(state: Mapping[str, str], block: str) -> bool:
    """Whether nothing stands on `block`."""
    return block not in state.values()


def stack_above(state: Mapping[str, str], block: str) -> list[str]:
    """What stands on `block`, upwards."""
    above = [block]
    while not is_clear(state, above[-1]):
        above.append(next(upper for upper, support in state.items() if support == above[-1]))
    return above[1:]


def blocks_in_the_way(state: Mapping[str, str], block: str, support: str) -> list[str]:
    """What must go to the table, in this order, before `block` can be put on the block `support`.

    Each only once, and no shorter plan than these moves and the last one exists.
    """
    return list(dict.fromkeys([*reversed(stack_above(state, block)), *reversed(stack_above(state, support))]))


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
def _states() -> Sequence[Sequence[tuple[str, str]]]:
    """Every state of the generated questions' blocks, as facts."""
    supports = itertools.product(*([TABLE] + [other for other in _BLOCKS if other != block] for block in _BLOCKS))
    states = (dict(zip(_BLOCKS, choice, strict=True)) for choice in supports)
    return [tuple(state.items()) for state in states if _defect(state) is None]


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
