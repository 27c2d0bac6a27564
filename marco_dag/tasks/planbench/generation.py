"""Blocksworld problems drawn at random, as PlanBench's generator draws them: two states, each equally likely."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from marco_dag.tasks.planbench.domain import DOMAIN_NAME

Supports: TypeAlias = Mapping[str, str | None]
"""Block → the block that it stands on, None for the table: every block in a state, some of them in a goal."""

_SIZES = (3, 4, 5)
_OBJECTS = "abcde"


def generate_problem(rng: random.Random) -> str:
    """A problem in PDDL: 3, 4 or 5 blocks in a state, and another state's towers as the goal, not yet all built.

    Both states are drawn from all that there are, each as likely as any other; a goal without a tower is drawn again.
    """
    blocks = _OBJECTS[: rng.choice(_SIZES)]
    states = _states(blocks)
    init = rng.choice(states)
    while True:
        goal = {block: support for block, support in rng.choice(states).items() if support is not None}
        if any(init[block] != support for block, support in goal.items()):
            return render_problem(blocks, init, goal)


def render_problem(blocks: Sequence[str], init: Supports, goal: Supports) -> str:
    """The problem as PlanBench's files have it, to the letter; the hand is empty, and `goal` names no table."""
    covered = {*init.values()}
    facts = [
        "(handempty)",
        *(f"(on {block} {init[block]})" if init[block] else f"(ontable {block})" for block in blocks),
        *(f"(clear {block})" for block in blocks if block not in covered),
    ]
    wanted = "\n".join(f"(on {block} {goal[block]})" for block in blocks if block in goal)
    return (
        f"(define (problem BW-rand-{len(blocks)})\n(:domain {DOMAIN_NAME})\n(:objects {' '.join(blocks)} )\n"
        + "\n".join(("(:init", *facts, ")", "(:goal", "(and", f"{wanted})", ")", ")", ""))
    )


@cache
def _states(blocks: str) -> Sequence[Supports]:
    """Every state of the blocks: 13 of three, 73 of four, 501 of five."""
    states = {tuple(sorted(towers)): towers for towers in _arrangements(blocks)}
    return [
        {block: below for tower in states[key] for block, below in itertools.pairwise((*tower, None)) if block}
        for key in sorted(states)
    ]


def _arrangements(blocks: str) -> Iterator[list[tuple[str, ...]]]:
    """Every way to write the blocks in a row and to cut the row into towers, each from its top down."""
    for order in itertools.permutations(blocks):
        for cuts in itertools.product((False, True), repeat=len(blocks) - 1):
            ends = [place for place, cut in enumerate(cuts, start=1) if cut]
            yield [order[begin:end] for begin, end in itertools.pairwise([0, *ends, len(blocks)])]
