"""Runs a plan on a problem, fast: the check of the search. Its authority is `marco_dag.tasks.planbench.validator`.

It reads no text, and it never looks for a plan of its own.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from marco_dag.tasks.answers import shown
from marco_dag.tasks.planbench.domain import OPERATORS, Action
from marco_dag.tasks.planbench.problem import Fact, Problem

_HAND_EMPTY: Fact = ("handempty",)


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """What became of a plan."""

    is_valid: bool
    """Whether every step could be taken and the goal holds in the end."""
    failed_step: int | None
    """The first step that could not be taken, counted from 1; None where all could."""
    reason: str
    """One line for a person."""


def simulate(problem: Problem, plan: Sequence[Action]) -> PlanCheck:
    """Take the plan's steps one by one until one cannot be taken, then see whether the goal holds.

    An operator or a block that does not exist, or the wrong number of blocks, is a step that cannot be taken.
    """
    state = set(problem.init)
    for step, action in enumerate(plan, start=1):
        if defect := _malformation(action, problem.blocks):
            return _not_taken(step, action, defect)
        needed, removed, added = _grounded(action)
        for fact in needed:
            if fact not in state:
                return _not_taken(step, action, _UNMET[fact[0]].format(*fact[1:]))
        state -= removed
        state |= added
    if missing := problem.goal - state:
        facts = ", ".join(f"({' '.join(fact)})" for fact in sorted(missing)[:4])
        return PlanCheck(False, None, f"the plan ends without {facts}")
    return PlanCheck(True, None, "the plan is valid and reaches the goal")


def _malformation(action: Action, blocks: Collection[str]) -> str | None:
    """Why no state at all could allow the action, or None where some might."""
    takes = OPERATORS.get(action.operator)
    if takes is None:
        return f"there is no action {shown(action.operator)}"
    if stranger := next((block for block in action.blocks if block not in blocks), None):
        return f"there is no block {shown(stranger)}"
    if len(action.blocks) != takes:
        return f"{action.operator} takes {'one block' if takes == 1 else 'two blocks'}, not {len(action.blocks)}"
    return None


def _not_taken(step: int, action: Action, why: str) -> PlanCheck:
    """The verdict on a plan that comes to a halt at `step`."""
    stated = " ".join((action.operator, *action.blocks[:3]))
    return PlanCheck(False, step, f"step {step} ({shown(stated)[1:-1]}): {why}")


_UNMET = {
    "handempty": "the hand is not empty",
    "holding": "{} is not held",
    "ontable": "{} is not on the table",
    "on": "{} is not on {}",
    "clear": "{} is not clear",
}
"""Predicate of a fact that a step needs and the state does not hold → the reason, in words."""


@lru_cache(maxsize=4096)
def _grounded(action: Action) -> tuple[tuple[Fact, ...], frozenset[Fact], frozenset[Fact]]:
    """What must hold, what then holds no more, what holds instead."""
    block, *rest = action.blocks
    held: Fact = ("holding", block)
    if action.operator in ("pick-up", "put-down"):
        lies: tuple[Fact, ...] = (("ontable", block),)
        opens: tuple[Fact, ...] = ()
    else:
        lies, opens = (("on", block, rest[0]),), (("clear", rest[0]),)
    resting = (_HAND_EMPTY, *lies, ("clear", block))
    if action.operator in ("pick-up", "unstack"):
        return resting, frozenset(resting), frozenset((held, *opens))
    return (held, *opens), frozenset((held, *opens)), frozenset(resting)
