"""What the verifiers share: reading the stated answer out of a response, and wording a verdict.

A response is hostile text: nothing here raises on it, runs longer than its length asks for, or quotes it in full.
"""

import re

from marco_dag.tasks.protocol import Verdict
from marco_dag.thoughts import extract_answer, holds_tag

_OPENING = re.compile(r"the answer is\b\s*:?\s*", re.IGNORECASE)
_INTEGER = re.compile(r"([+-]?[0-9]{1,1000})\.?", re.ASCII)
_SHOWN_CHARS = 60


def read_answer(response: str) -> str | None:
    """What the last Answer block states, without the paper's opening "The answer is:"; None where there is no block."""
    answer = extract_answer(response)
    if answer is None:
        return None
    opening = _OPENING.match(answer)
    return answer[opening.end() :] if opening else answer


def stated_text(response: str) -> str | None:
    """What a response states; None where that is nothing.

    Of a chain that is its last Answer block (`read_answer`), of free text all of it.
    """
    if holds_tag(response):
        return read_answer(response)
    return response.strip() or None


def check_integer(response: str, expected: int) -> Verdict:
    """Whether the response states the integer `expected`, in decimal digits and with nothing around it."""
    answer = read_answer(response)
    if answer is None:
        return no_answer()
    stated = _INTEGER.fullmatch(answer)
    if stated is None:
        return Verdict("wrong", f"expected {expected}, found {shown(answer)}, which is no integer", answer)
    if int(stated.group(1)) != expected:
        return Verdict("wrong", f"expected {expected}, found {shown(answer)}", answer)
    return Verdict("correct", f"{expected} as expected", answer)


def same_integer(first: str, second: str) -> bool:
    """Whether both are the same integer as `check_integer` reads it, or else the same words."""
    numbers = [_INTEGER.fullmatch(answer) for answer in (first, second)]
    if numbers[0] and numbers[1]:
        return int(numbers[0].group(1)) == int(numbers[1].group(1))
    return same_words(first, second)


def same_words(first: str, second: str) -> bool:
    """Whether both are the same but for white space."""
    return first.split() == second.split()


def no_answer() -> Verdict:
    """The verdict on a response without a closed Answer block."""
    return Verdict("no_answer", "no closed answer block")


def shown(text: str) -> str:
    """`text` as a verdict's reason quotes it: in quotes, control characters escaped, at most 60 characters of it."""
    cut = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
    return ascii(cut) if not cut.isprintable() else repr(cut)
