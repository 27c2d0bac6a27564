"""The math verifier: the stated answer of a response against a gold answer as GSM8K, MATH or AIME publish it."""

import asyncio
from decimal import Decimal
from math import isfinite
from typing import ClassVar

from marco_dag.identity import JsonValue
from marco_dag.tasks.answers import shown
from marco_dag.tasks.math.checkers import PROCESSOR_SECONDS
from marco_dag.tasks.math.equivalence import MAX_CHARS, Finding, compare, is_readable
from marco_dag.tasks.math.extraction import extract_final_answer
from marco_dag.tasks.protocol import Reference, Verdict


class MathTask:
    r"""Reference: `answer`, the gold answer: a number or LaTeX: `1,000`, `\frac{14}{3}`, `(2,\infty)`, `\text{(C)}`."""

    name: ClassVar[str] = "math"

    def check_reference(self, reference: Reference) -> None:
        """ValueError where `answer` is no number and no text, blank, or nothing that math-verify can read."""
        answer = reference.get("answer")
        if not isinstance(answer, str | int | float) or isinstance(answer, bool):
            raise ValueError("answer: must be a number, or a text in LaTeX")
        if isinstance(answer, float) and not isfinite(answer):
            raise ValueError("answer: must be finite")
        if isinstance(answer, int) and abs(answer) >= 10**MAX_CHARS:
            raise ValueError(f"answer: has more than the {MAX_CHARS:,} digits that are compared")
        gold = _as_text(answer)
        if not gold.strip():
            raise ValueError("answer: must not be blank")
        if len(gold) > MAX_CHARS:
            raise ValueError(f"answer: has {len(gold):,} characters, more than the {MAX_CHARS:,} that are compared")
        if not is_readable(gold):
            raise ValueError(f"answer: math-verify cannot read {shown(gold)}, so no answer could equal it")

    def verify(self, response: str, reference: Reference) -> Verdict:
        """Correct where the stated answer (`extraction`) is equivalent to the gold one (`equivalence`).

        An answer that math-verify cannot check in time is wrong, with a reason that begins with `could not be checked`.
        TaskError where no process can be started for math-verify; nothing in a response causes that.
        """
        stated = extract_final_answer(response)
        if stated.text is None:
            return Verdict("no_answer", stated.missing)
        gold = _as_text(reference["answer"])
        finding = compare(gold, stated.text)
        if finding == "equal":
            return Verdict("correct", f"{shown(gold)} as expected", stated.text)
        return Verdict("wrong", _reason(finding, gold, stated.text), stated.text)

    def stated_answer(self, response: str) -> str | None:
        """The final answer (`extraction`)."""
        return extract_final_answer(response).text

    def same_answer(self, first: str, second: str) -> bool:
        """Whether `second` is equivalent to `first`, taken for gold; False where that takes too long to tell."""
        return compare(first, second) == "equal"

    async def verify_aside(self, response: str, reference: Reference) -> Verdict:
        """`verify` in a thread."""
        return await asyncio.to_thread(self.verify, response, reference)


def _reason(finding: Finding, gold: str, answer: str) -> str:
    expected = f"expected {shown(gold)}, found {shown(answer)}"
    return {
        "different": expected,
        "too_long": f"{expected}: {len(answer):,} characters are too many for an answer",
        "unreadable_gold": f"{expected}, and math-verify cannot read the expected answer",
        "unreadable_answer": f"{expected}, which math-verify cannot read",
        "unchecked": f"could not be checked within {PROCESSOR_SECONDS:g} s: {expected}",
    }[finding]


def _as_text(answer: JsonValue) -> str:
    return f"{Decimal(repr(answer)):f}" if isinstance(answer, float) else str(answer)
