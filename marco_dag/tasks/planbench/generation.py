"""Blocksworld problems drawn at random, as PlanBench's generator draws them: two states, each equally likely."""

import itertools
import random
from collections.abc import Sequence
from functools import cache
from typing import TypeAlias

_State: TypeAlias = tuple[tuple[str, ...], ...]
"""The towers, each from its top down, in alphabetical order."""

_SIZES = (3, 4, 5)
_OBJECTS = "abcde"


def generate_problem(rng: random.Random) -> str:
    """A problem in PDDL: 3, 4 or 5 blocks in a state, and another state's towers as the goal, not yet all built.

    Both states are drawn from all that there are, each as likely as any other; a goal without a tower is drawn again.
    """
    size = rng.choice(_SIZES)
    states = _states(size)
    init = rng.choice(states)
    while True:
        goal = _on(rng.choice(states))
        if goal and not {*goal} <= {*_on(init)}:
            return _render(_OBJECTS[:size], init, goal)


@cache
def _states(size: int) -> Sequence[_State]:
    """Every state of so many blocks: 13 of three, 73 of four, 501 of five."""
    states = set()
    for order in itertools.permutations(_OBJECTS[:size]):
        for cuts in itertools.product((False, True), repeat=size - 1):
            ends = [place for place, cut in enumerate(cuts, start=1) if cut]
            towers = (order[begin:end] for begin, end in itertools.pairwise([0, *ends, size]))
            states.add(tuple(sorted(towers)))
    return sorted(states)


def _on(state: _State) -> list[str]:
    return sorted(f"(on {upper} {lower})" for tower in state for upper, lower in itertools.pairwise(tower))


def _render(blocks: str, init: _State, goal: Sequence[str]) -> str:
    facts = [
        "(handempty)",
        *sorted([*_on(init), *(f"(ontable {tower[-1]})" for tower in init)]),
        *sorted(f"(clear {tower[0]})" for tower in init),
    ]
    return (
        f"(define (problem BW-rand-{len(blocks)})\n(:domain blocksworld-4ops)\n(:objects {' '.join(blocks)} )\n"
        f"(:init\n{_lines(facts)})\n(:goal\n(and\n{_lines(goal)})\n)\n)\n"
    )


def _lines(facts: Sequence[str]) -> str:
    return "".join(f"{fact}\n" for fact in facts)
