"""Whether an answer means what the gold answer means: plain cases here, in microseconds; the rest by math-verify.

Decided here, and more strictly than math-verify would: equal texts; single numbers, exactly; numerals in a base; words;
points and intervals component by component, in order and with the same brackets. Everything else goes to a worker process.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from marco_dag.tasks.math.checkers import ask_math_verify
from marco_dag.tasks.math.latex import clean, compact, plain_text, without_last_text
from marco_dag.tasks.math.quantities import Quantity, is_unit, read_quantity

MAX_CHARS = 2_000
"""Longer than this, once cleaned, is no answer that anybody would check."""

Finding: TypeAlias = Literal["equal", "different", "too_long", "unreadable_gold", "unreadable_answer", "unchecked"]
"""What a comparison found; `unchecked` is an answer that took math-verify too long or broke it."""

_REMEMBERED = 4_096
_BASED = re.compile(r"\(?(-?[0-9A-Za-z]+)\)?_(?:\{ ?([0-9]{1,2}) ?\}|([0-9]{1,2}))")
_PREFIX = re.compile(r"(?:[A-Za-z] ?\\in|\\approx)(?![A-Za-z]) ?")
_POWER = re.compile(r"\^\{?([0-9])\}?\Z")
_WORDS_AS_TEXT = re.compile(r"\(?\\text\{\(?[^{}]*[A-Za-z][^{}]*\)?\}\)?")
_NAME = re.compile(r"[A-Z]{3,}|[A-Z][a-z]{2,}")
_TIME = re.compile(r"[0-9]{1,2}(?::[0-9]{2}){1,2} ?\\text\{ ?[ap]\.?m\.?\}")
_BRACE = re.compile(r"\\.|[{}]")
_AND = re.compile(r" ?(?:[,;]| and ) ?")
_BESIDE_WORDS = str.maketrans("", "", " .()'\"*_")
_OPENING, _CLOSING = "([{", ")]}"


def is_readable(gold: str) -> bool:
    """Whether answers can be compared with `gold`."""
    plain = _gold_form(gold)
    if len(plain.text) > MAX_CHARS or not plain.text:
        return False
    if plain.quantity or plain.words or plain.based:
        return True
    return ask_math_verify([(plain.text, plain.text)]) == "equal"


@lru_cache(_REMEMBERED)
def compare(gold: str, answer: str) -> Finding:
    """What math-verify, or what is plainer, says of `answer`; TaskError where no worker process can be started.

    Remembers the last 4,096 pairs: a search and a benchmark ask the same again and again.
    """
    if len(answer) > 20 * MAX_CHARS:
        return "too_long"
    expected, found = _gold_form(gold), clean(answer)
    if len(found) > MAX_CHARS:
        return "too_long"
    plain = _compare_plainly(expected, found)
    if plain is not None:
        return "equal" if plain else "different"
    if not _is_balanced(found):
        return "unreadable_answer"
    pairs = _components(expected, found)
    if pairs is None:
        return "different"
    return ask_math_verify(pairs) if pairs else "equal"


@dataclass(frozen=True, slots=True)
class _Gold:
    """A gold answer as far as it can be read without math-verify."""

    text: str
    """Cleaned, without a unit."""
    whole: str
    """Cleaned."""
    quantity: Quantity | None
    words: str | None
    """Where it is words: those, to be compared as words."""
    based: tuple[str, str] | None
    """Where it is a numeral in a base: digits and base."""
    bracketed: "_Bracketed | None"


@dataclass(frozen=True, slots=True)
class _Bracketed:
    """A point, an interval or another sequence in brackets."""

    brackets: str
    parts: tuple[str, ...]


@lru_cache(_REMEMBERED)
def _gold_form(gold: str) -> _Gold:
    whole = clean(gold[: 20 * MAX_CHARS])
    text = _bare(whole)
    is_words = any(pattern.fullmatch(whole) for pattern in (_WORDS_AS_TEXT, _NAME, _TIME))
    return _Gold(
        text, whole, read_quantity(text), _as_words(whole) if is_words else None, _read_based(text), _split(text)
    )


def _bare(cleaned: str) -> str:
    """Without a unit in `\\text{…}` at its end, and without an `x \\in` or `\\approx` before it."""
    head, last = without_last_text(cleaned)
    text = head if last and is_unit(f" {last}") else cleaned
    prefix = _PREFIX.match(text)
    return text[prefix.end() :] if prefix else text


def _are_units_apart(one: str, other: str) -> bool:
    """Whether both end in a unit with a power, and not the same: square is not cubic; other units are taken as they are."""
    powers = [power[1] if power else "" for power in map(_POWER.search, (without_last_text(one)[1], without_last_text(other)[1]))]
    return all(powers) and powers[0] != powers[1]


def _compare_plainly(gold: _Gold, found: str) -> bool | None:
    """Whether they mean the same, or None where that is not plain."""
    if not found:
        return False
    if compact(found) == compact(gold.whole):
        return True
    if gold.words is not None:
        return _as_words(found) == gold.words
    if _are_units_apart(gold.whole, found):
        return False
    bare = _bare(found)
    if compact(bare) == compact(gold.text):
        return True
    if gold.based is not None:
        based = _read_based(bare) or _read_based(_right_side(bare))
        return based == gold.based if based else None
    if gold.quantity is not None:
        stated = plain_text(_right_side(found))
        quantity = read_quantity(stated, with_unit=True)
        return gold.quantity.equals(quantity) if quantity else None
    return None


def _components(gold: _Gold, found: str) -> Sequence[tuple[str, str]] | None:
    """The pairs that must all be equal and are not plainly so; None where the answer is plainly another."""
    bare = _bare(found)
    if gold.bracketed is None:
        return [(gold.text, bare)]
    stated = _split(_right_side(bare))
    if stated is None:  # of `-(3, 4)` math-verify drops the sign
        return None if _split(bare.lstrip("+- ")) else [(gold.text, bare)]
    if stated.brackets != gold.bracketed.brackets or len(stated.parts) != len(gold.bracketed.parts):
        return None
    pairs = []
    for expected, part in zip(gold.bracketed.parts, stated.parts, strict=True):
        plain = _compare_plainly(_gold_form(expected), part)
        if plain is False:
            return None
        if plain is None:
            pairs.append((expected, part))
    return pairs


def _is_balanced(text: str) -> bool:
    """Whether braces that are no characters open and close in pairs."""
    depth = 0
    for brace in _BRACE.finditer(text):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth < 0:
            return False
    return depth == 0


def _split(text: str) -> _Bracketed | None:
    """The parts of a text like `(a, b]`, at least two; None for any other, sets in braces included: they have no order."""
    if text[:1] not in tuple("([") or text[-1:] not in tuple(")]"):
        return None
    depth, start, parts = 0, 1, []
    for position, character in enumerate(text):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
            if depth == 0 and position < len(text) - 1:
                return None
        elif character == "," and depth == 1:
            parts.append(text[start:position].strip())
            start = position + 1
    parts.append(text[start:-1].strip())
    return _Bracketed(text[0] + text[-1], tuple(parts)) if depth == 0 and len(parts) > 1 and all(parts) else None


def _right_side(text: str) -> str:
    """What stands behind the last equals sign; the whole text where it is no equation."""
    left, sign, right = text.rpartition("=")
    return right.strip() if sign and left[-1:] not in tuple("<>!~=:") else text


def _read_based(text: str) -> tuple[str, str] | None:
    match = _BASED.fullmatch(compact(plain_text(text)))
    return (match[1].lower(), match[2] or match[3]) if match else None


def _as_words(cleaned: str) -> str:
    """Words to be compared: lower case, no blanks, full stops, brackets and quotes; single letters in a list sorted."""
    words = _AND.sub(",", plain_text(cleaned).casefold()).translate(_BESIDE_WORDS).strip(",")
    items = words.split(",")
    return ",".join(sorted(items)) if all(len(item) == 1 for item in items) else words
