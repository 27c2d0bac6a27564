"""Verifiable instructions: words that keep to composed rules, each checked by the rule alone."""

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from marco_dag.identity import JsonValue
from marco_dag.tasks.answers import no_answer, read_answer, same_words, shown
from marco_dag.tasks.protocol import Question, Reference, Verdict

CONSONANTS = "bcdfghjklmnprstv"
"""Letters that a generated question asks words to begin or end with."""

_COUNTS = (2, 3, 4)
_CASES = {"lower": "lowercase", "upper": "uppercase", "title": "capitalized"}
_ORDERS = {"alphabetical": "alphabetical", "reverse": "reverse alphabetical"}


class InstructionsTask:
    """Reference: at least one of the rules below; the answer must keep them all.

    `count` is a number ≥ 1; `case` is lower, upper or title; `first` and `last` are a letter that every word begins or
    ends with, `without` one that no word holds, in either case; `order` is alphabetical or reverse, without repeats.
    """

    name: ClassVar[str] = "instructions"

    def generate(self, rng: random.Random) -> Question:
        """2 to 4 words in lower or upper case under all rules but `without`; their order leaves each one place."""
        count, case, order = rng.choice(_COUNTS), rng.choice(("lower", "upper")), rng.choice(list(_ORDERS))
        first, last = rng.choice(CONSONANTS), rng.choice(CONSONANTS)
        prompt = (
            f"Write {count} {_CASES[case]} words that start with {first} and end with {last} in {_ORDERS[order]} order"
        )
        return Question(prompt, {"count": count, "case": case, "order": order, "first": first, "last": last})

    def check_reference(self, reference: Reference) -> None:
        """ValueError where there is no rule, an unknown one, or one with an impossible value."""
        if not reference:
            raise ValueError(f"reference: must hold at least one rule of {', '.join(_RULES)}")
        for rule, value in reference.items():
            if rule not in _RULES:
                raise ValueError(f"{rule}: unknown rule; known: {', '.join(_RULES)}")
            if rule == "count" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ValueError("count: must be a whole number of words, at least 1")
            if rule in ("first", "last", "without") and not (
                isinstance(value, str) and len(value) == 1 and value.isalpha()
            ):
                raise ValueError(f"{rule}: must be one letter")
            allowed = {"case": tuple(_CASES), "order": tuple(_ORDERS)}.get(rule)
            if allowed is not None and value not in allowed:
                raise ValueError(f"{rule}: must be one of {', '.join(allowed)}")

    def verify(self, response: str, reference: Reference) -> Verdict:
        """Correct where the answer is words of letters alone, separated by white space, that keep every rule."""
        answer = read_answer(response)
        if answer is None:
            return no_answer()
        words = answer.split()
        if not words:
            return Verdict("wrong", "the answer holds no word", answer)
        if stranger := next((word for word in words if not word.isalpha()), None):
            return Verdict("wrong", f"{shown(stranger)} is no word of letters", answer)
        for rule, value in reference.items():
            if breach := _RULES[rule](words, value):
                return Verdict("wrong", f"{rule}: {breach}", answer)
        return Verdict("correct", "every rule is kept", answer)

    def stated_answer(self, response: str) -> str | None:
        """What the last Answer block states."""
        return read_answer(response)

    def same_answer(self, first: str, second: str) -> bool:
        """Whether both are the same words."""
        return same_words(first, second)


def _check_count(words: Sequence[str], value: JsonValue) -> str | None:
    return None if len(words) == value else f"expected {value} words, found {len(words)}"


def _check_case(words: Sequence[str], value: JsonValue) -> str | None:
    is_right = {"lower": str.islower, "upper": str.isupper, "title": str.istitle}[str(value)]
    return next((f"{shown(word)} is not {_CASES[str(value)]}" for word in words if not is_right(word)), None)


def _check_first(words: Sequence[str], value: JsonValue) -> str | None:
    letter = str(value).lower()
    return next((f"{shown(word)} does not start with {value}" for word in words if word[0].lower() != letter), None)


def _check_last(words: Sequence[str], value: JsonValue) -> str | None:
    letter = str(value).lower()
    return next((f"{shown(word)} does not end with {value}" for word in words if word[-1].lower() != letter), None)


def _check_without(words: Sequence[str], value: JsonValue) -> str | None:
    letter = str(value).lower()
    return next((f"{shown(word)} holds {value}" for word in words if letter in word.lower()), None)


def _check_order(words: Sequence[str], value: JsonValue) -> str | None:
    for one, other in pairwise(word.lower() for word in words):
        if one == other:
            return f"{shown(one)} is repeated"
        if (one < other) != (value == "alphabetical"):
            return f"{shown(other)} stands after {shown(one)}"
    return None


_RULES: Mapping[str, Callable[[Sequence[str], JsonValue], str | None]] = {
    "count": _check_count,
    "case": _check_case,
    "first": _check_first,
    "last": _check_last,
    "without": _check_without,
    "order": _check_order,
}
