"""Integer arithmetic: generated questions add two numbers of two digits; a user's may ask for any integer."""

import random
from typing import ClassVar

from marco_dag.tasks.answers import check_integer, read_answer, same_integer
from marco_dag.tasks.protocol import Question, Reference, Verdict

_SMALLEST, _LARGEST = 10, 99


class ArithmeticTask:
    """Reference: `answer`, an integer."""

    name: ClassVar[str] = "arithmetic"

    def generate(self, rng: random.Random) -> Question:
        """`Compute a+b` with a and b from 10 to 99."""
        first, second = rng.randint(_SMALLEST, _LARGEST), rng.randint(_SMALLEST, _LARGEST)
        return Question(f"Compute {first}+{second}", {"answer": first + second})

    def check_reference(self, reference: Reference) -> None:
        """ValueError where `answer` is no integer."""
        answer = reference.get("answer")
        if not isinstance(answer, int) or isinstance(answer, bool):
            raise ValueError("answer: must be an integer")

    def verify(self, response: str, reference: Reference) -> Verdict:
        """Correct where the answer is the reference's integer."""
        answer = reference["answer"]
        assert isinstance(answer, int)
        return check_integer(response, answer)

    def stated_answer(self, response: str) -> str | None:
        """What the last Answer block states."""
        return read_answer(response)

    def same_answer(self, first: str, second: str) -> bool:
        """Whether both are the same integer."""
        return same_integer(first, second)
