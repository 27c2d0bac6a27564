"""PlanBench's English: a problem as its statement, a plan as its sentences, and the prompts around them.

The sentences and the introduction are those of PlanBench's task 1, plan generation (Valmeekam et al., 2023,
arXiv 2206.10498), word for word, so that scores can be compared; PlanBench is MIT-licensed, copyright 2024 Valmeekam
Karthik. The way back, from a response to a plan, is `marco_dag.tasks.planbench.reading`.
"""

from collections.abc import Iterable, Mapping, Sequence

from marco_dag.tasks.planbench.domain import COLOURS, Action
from marco_dag.tasks.planbench.problem import Fact, parse_problem

INTRODUCTION = """\
I am playing with a set of blocks where I need to arrange the blocks into stacks. Here are the actions I can do

Pick up a block
Unstack a block from on top of another block
Put down a block
Stack a block on top of another block

I have the following restrictions on my actions:
I can only pick up or unstack one block at a time.
I can only pick up or unstack a block if my hand is empty.
I can only pick up a block if the block is on the table and the block is clear. \
A block is clear if the block has no other blocks on top of it and if the block is not picked up.
I can only unstack a block from on top of another block if the block I am unstacking was really on top of the other \
block.
I can only unstack a block from on top of another block if the block I am unstacking is clear.
Once I pick up or unstack a block, I am holding the block.
I can only put down a block that I am holding.
I can only stack a block on top of another block if I am holding the block being stacked.
I can only stack a block on top of another block if the block onto which I am stacking the block is clear.
Once I put down or stack a block, my hand becomes empty.
Once you stack a block on top of a second block, the second block is no longer clear.
"""
"""The rules of the domain, as every PlanBench prompt begins."""

_FACTS: Mapping[str, str] = {
    "clear": "the {} block is clear",
    "handempty": "the hand is empty",
    "holding": "the hand is currently holding {} block",
    "on": "the {} block is on top of the {} block",
    "ontable": "the {} block is on the table",
}
_ACTIONS: Mapping[str, str] = {
    "pick-up": "pick up the {} block",
    "put-down": "put down the {} block",
    "stack": "stack the {} block on top of the {} block",
    "unstack": "unstack the {} block from on top of the {} block",
}


def statement_of(problem: str) -> str:
    """The `statement` of PlanBench for a problem in PDDL; ValueError as `parse_problem`."""
    read = parse_problem(problem)
    return (
        f"As initial conditions I have that, {_enumerate(read.init)}.\nMy goal is to have that {_enumerate(read.goal)}."
    )


def render_plan(plan: Iterable[Action]) -> str:
    """A plan of the domain's operators in PlanBench's sentences, one a line."""
    return "\n".join(_ACTIONS[action.operator].format(*map(_named, action.blocks)) for action in plan)


def zero_shot_prompt(statement: str) -> str:
    """PlanBench's prompt without an example: introduction, statement, and the question."""
    question = "What is the plan to achieve my goal? Just give the actions in the plan."
    return f"{INTRODUCTION}\n[STATEMENT]\n{statement}\n\n{question}"


def one_shot_prompt(statement: str, *, example_statement: str, example_plan: str) -> str:
    """PlanBench's prompt with one worked example; it ends with `[PLAN]`, and the response goes on from there."""
    asked = "\n[STATEMENT]\n{}\n\nMy plan is as follows:\n\n[PLAN]"
    return f"{INTRODUCTION}{asked.format(example_statement)}\n{example_plan}\n[PLAN END]\n{asked.format(statement)}"


def _enumerate(facts: Iterable[Fact]) -> str:
    """The facts in alphabetical order, as PlanBench puts them, with an "and" before the last."""
    sentences: Sequence[str] = [_FACTS[predicate].format(*map(_named, about)) for predicate, *about in sorted(facts)]
    return " and ".join(filter(None, (", ".join(sentences[:-1]), sentences[-1])))


def _named(block: str) -> str:
    return COLOURS.get(block, block)
