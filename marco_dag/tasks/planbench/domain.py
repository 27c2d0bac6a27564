"""The Blocksworld domain of PlanBench with its four operators: what can be done, and what the blocks are called.

It does not say when an action is possible: that is `DOMAIN_PDDL` for the authority, and the simulator for the search.
"""

from collections.abc import Mapping
from typing import NamedTuple

DOMAIN_NAME = "blocksworld-4ops"
"""What a problem names as its domain."""

DOMAIN_PDDL = """\
(define (domain blocksworld-4ops)
  (:requirements :strips)
  (:predicates (clear ?x) (ontable ?x) (handempty) (holding ?x) (on ?x ?y))
  (:action pick-up
    :parameters (?x)
    :precondition (and (handempty) (ontable ?x) (clear ?x))
    :effect (and (holding ?x) (not (handempty)) (not (ontable ?x)) (not (clear ?x))))
  (:action put-down
    :parameters (?x)
    :precondition (holding ?x)
    :effect (and (handempty) (ontable ?x) (clear ?x) (not (holding ?x))))
  (:action stack
    :parameters (?x ?y)
    :precondition (and (holding ?x) (clear ?y))
    :effect (and (handempty) (on ?x ?y) (clear ?x) (not (holding ?x)) (not (clear ?y))))
  (:action unstack
    :parameters (?x ?y)
    :precondition (and (handempty) (on ?x ?y) (clear ?x))
    :effect (and (holding ?x) (clear ?y) (not (handempty)) (not (on ?x ?y)) (not (clear ?x)))))
"""
"""The domain as a planner reads it."""

PREDICATES: Mapping[str, int] = {"clear": 1, "handempty": 0, "holding": 1, "on": 2, "ontable": 1}
"""Predicate → how many blocks it is about."""

OPERATORS: Mapping[str, int] = {"pick-up": 1, "put-down": 1, "stack": 2, "unstack": 2}
"""Operator → how many blocks it takes."""

COLOURS: Mapping[str, str] = dict(
    zip(
        "abcdefghijkl",
        ["red", "blue", "orange", "yellow", "white", "magenta", "black", "cyan", "green", "violet", "silver", "gold"],
        strict=True,
    )
)
"""PDDL object → its name in PlanBench's sentences; any other object has its own name there."""


class Action(NamedTuple):
    """One step of a plan as somebody stated it; nothing says that there is such an operator or such a block."""

    operator: str
    """Of `OPERATORS`, or what stood in its place."""
    blocks: tuple[str, ...]
    """PDDL objects, or what stood in their place."""

    def __str__(self) -> str:
        return f"({' '.join((self.operator, *self.blocks))})"
