"""Problems and plans for the tests of PlanBench: rows of its sample files, problems made up, plans for any of them."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from marco_dag.tasks.planbench import Action, Problem

Plan = tuple[Action, ...]


def rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def gold_plan(row: dict[str, Any]) -> Plan:
    """A row's plan, taken from its PDDL by hand and not by the reader under test."""
    steps = (line.strip("()").split() for line in row["ground_truth_plan_pddl"])
    return tuple(Action(operator, tuple(blocks)) for operator, *blocks in steps)


def plan_for(problem: Problem) -> Plan:
    """Everything onto the table, then the goal's towers from below: valid for a goal of `on` facts, seldom short."""
    below = {fact[1]: fact[2] for fact in problem.init if fact[0] == "on"}
    plan: list[Action] = []
    while below:
        top = next(block for block in sorted(below) if block not in below.values())
        plan += [Action("unstack", (top, below.pop(top))), Action("put-down", (top,))]
    wanted = {fact[1]: fact[2] for fact in problem.goal}
    while wanted:
        lowest = next(block for block in sorted(wanted) if wanted[block] not in wanted)
        plan += [Action("pick-up", (lowest,)), Action("stack", (lowest, wanted.pop(lowest)))]
    return tuple(plan)


def _drop(plan: Sequence[Action], rng: random.Random, problem: Problem) -> Sequence[Action]:
    at = rng.randrange(len(plan))
    return [*plan[:at], *plan[at + 1 :]]


def _swap(plan: Sequence[Action], rng: random.Random, problem: Problem) -> Sequence[Action]:
    mutated, at = list(plan), rng.randrange(len(plan) - 1)
    mutated[at : at + 2] = reversed(mutated[at : at + 2])
    return mutated


def _duplicate(plan: Sequence[Action], rng: random.Random, problem: Problem) -> Sequence[Action]:
    at = rng.randrange(len(plan))
    return [*plan[:at], plan[at], *plan[at:]]


def _truncate(plan: Sequence[Action], rng: random.Random, problem: Problem) -> Sequence[Action]:
    return plan[: rng.randrange(len(plan))]


def _extend(plan: Sequence[Action], rng: random.Random, problem: Problem) -> Sequence[Action]:
    """Takes up what the last step let go and, one time in two, puts it back."""
    last = plan[-1]
    undone = {"stack": "unstack", "put-down": "pick-up", "unstack": "stack", "pick-up": "put-down"}
    steps = [Action(undone.get(last.operator, "fly"), last.blocks), last]
    return [*plan, *steps[: rng.randint(1, 2)]]


def _another_block(plan: Sequence[Action], rng: random.Random, problem: Problem) -> Sequence[Action]:
    mutated, at = list(plan), rng.randrange(len(plan))
    blocks = list(mutated[at].blocks)
    blocks[rng.randrange(len(blocks))] = rng.choice([*problem.blocks, "nowhere"])
    mutated[at] = Action(mutated[at].operator, tuple(blocks))
    return mutated


def _another_operator(plan: Sequence[Action], rng: random.Random, problem: Problem) -> Sequence[Action]:
    mutated, at = list(plan), rng.randrange(len(plan))
    operator = rng.choice(["pick-up", "put-down", "stack", "unstack", "fly"])
    mutated[at] = Action(operator, mutated[at].blocks)
    return mutated


def _other_way_round(plan: Sequence[Action], rng: random.Random, problem: Problem) -> Sequence[Action]:
    mutated, at = list(plan), rng.randrange(len(plan))
    mutated[at] = Action(mutated[at].operator, mutated[at].blocks[::-1])
    return mutated


MUTATIONS: tuple[Callable[[Sequence[Action], random.Random, Problem], Sequence[Action]], ...] = (
    _drop, _swap, _duplicate, _truncate, _extend, _another_block, _another_operator, _other_way_round,
)  # fmt: skip
"""Each makes another plan of a plan of at least two steps, most often one that fails."""
