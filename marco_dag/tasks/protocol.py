"""What a task is: it checks answers, and may make questions.

The same check is the reward of the search and the score of the benchmark.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from marco_dag.identity import JsonValue

Outcome: TypeAlias = Literal["correct", "wrong", "no_answer"]

Reference: TypeAlias = Mapping[str, JsonValue]
"""What the verifier needs to know of a question, as JSON."""


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and how to check its answer."""

    prompt: str
    reference: Reference


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found."""

    outcome: Outcome
    """`no_answer` is not `wrong`: the response never stated one."""
    reason: str
    """One line for a person: what was expected, what was found."""
    answer: str | None = None
    """The answer as extracted from the response."""


class Task(Protocol):
    """One kind of question. Stateless; safe to share."""

    @property
    def name(self) -> str:
        """The task's name in tables and profiles."""
        ...

    def check_reference(self, reference: Reference) -> None:
        """ValueError("field: reason") where a user's reference cannot be verified against."""
        ...

    def verify(self, response: str, reference: Reference) -> Verdict:
        """Check a whole response (its last Answer block counts); never raises on hostile text."""
        ...


class GeneratingTask(Task, Protocol):
    """A task that makes questions of its own; of others they are read from files."""

    def generate(self, rng: random.Random) -> Question:
        """One question; a function of the generator's state alone."""
        ...


@runtime_checkable
class VotingTask(Task, Protocol):
    """A task that knows, without any reference, what a response states and which answers are one and the same."""

    def stated_answer(self, response: str) -> str | None:
        """The answer that a response states, None where it states none; never raises on hostile text."""
        ...

    def same_answer(self, first: str, second: str) -> bool:
        """Whether two stated answers say the same, so that one is right where the other is."""
        ...


@runtime_checkable
class SlowTask(Task, Protocol):
    """A task whose check may take seconds: a search awaits it, and goes on with its other trees."""

    async def verify_aside(self, response: str, reference: Reference) -> Verdict:
        """`verify`, without holding up the event loop."""
        ...
