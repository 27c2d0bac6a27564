"""What a rule is: typed parameters read out of published kwargs, and a check that says what was found.

This module knows no rule; `marco_dag.tasks.ifeval.registry` lists them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, Literal, Protocol, TypeAlias, get_args, get_type_hints

from marco_dag.identity import JsonValue
from marco_dag.tasks.ifeval.text import Text

_LONGEST_TEXT = 200
_LONGEST_PASSAGE = 100_000
_MOST_WORDS = 100
_LARGEST_COUNT = 1_000_000


class Rule(Protocol):
    """One instruction with its parameters: a frozen dataclass whose fields are the published kwargs."""

    kind: ClassVar[str]
    """The published name."""

    def breach(self, text: Text) -> str | None:
        """What was expected and what was found, in one printable line; None where the rule is followed.

        `text` is not blank: a blank response follows no rule, whatever it asks.
        """
        ...


@dataclass(frozen=True, slots=True)
class Parameter:
    """What values a rule's parameter may have."""

    wanted: str
    """The values, for a person: it follows "must be"."""
    accepts: Callable[[JsonValue], bool]
    """Whether a value is one of them."""


def _is_count(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str) and len(value.strip()) > 0 and len(value) <= _LONGEST_TEXT


def _is_passage(value: JsonValue) -> bool:
    return isinstance(value, str) and len(value.strip()) > 0 and len(value) <= _LONGEST_PASSAGE


def _are_words(value: JsonValue) -> bool:
    return isinstance(value, list) and 0 < len(value) <= _MOST_WORDS and all(map(_is_text, value))


def _is_word(value: JsonValue) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _is_letter(value: JsonValue) -> bool:
    return isinstance(value, str) and len(value.strip()) == len(value) == 1


Relation: TypeAlias = Annotated[
    Literal["at least", "less than"],
    Parameter("'at least' or 'less than'", lambda value: value in ("at least", "less than")),
]
"""How a number found is compared with the one asked for, in the published words."""

Count: TypeAlias = Annotated[int, Parameter("a whole number from 0 to 1,000,000", _is_count)]
Position: TypeAlias = Annotated[
    int, Parameter("a whole number of at least 1", lambda value: _is_count(value) and value != 0)
]
Letter: TypeAlias = Annotated[str, Parameter("one character that is no white space", _is_letter)]
Phrase: TypeAlias = Annotated[str, Parameter("a text of 1 to 200 characters, not blank", _is_text)]
Passage: TypeAlias = Annotated[str, Parameter("a text of 1 to 100,000 characters, not blank", _is_passage)]
MaybeBlankWord: TypeAlias = Annotated[str, Parameter("a text of at most 200 characters", _is_word)]
Words: TypeAlias = Annotated[
    list[str], Parameter("a list of 1 to 100 texts, each of 1 to 200 characters, not blank", _are_words)
]


def read_rule(rule: type[Rule], kwargs: Mapping[str, JsonValue]) -> Rule:
    """The rule that published `kwargs` state; nulls are as if left out.

    ValueError("kwarg: reason") where one is unknown, missing or impossible.
    """
    given = {name: value for name, value in kwargs.items() if value is not None}
    known = parameters(rule)
    if unknown := sorted(given.keys() - known.keys()):
        raise ValueError(f"{unknown[0]}: unknown; known: {', '.join(known) or 'none'}")
    for name, values in known.items():
        if name not in given:
            raise ValueError(f"{name}: missing; must be {values.wanted}")
        if not values.accepts(given[name]):
            raise ValueError(f"{name}: must be {values.wanted}")
    return rule(**given)


@cache
def parameters(rule: type[Rule]) -> Mapping[str, Parameter]:
    """A rule's parameters by their published names, in order."""
    hints = get_type_hints(rule, include_extras=True)
    return {name: extra for name, hint in hints.items() for extra in get_args(hint)[1:] if isinstance(extra, Parameter)}


def compare(found: int, relation: Relation, wanted: int, things: str) -> str | None:
    """None where `found` stands in `relation` to `wanted`, else a breach that names the `things` counted."""
    followed = found >= wanted if relation == "at least" else found < wanted
    return None if followed else f"expected {relation} {wanted} {things}, found {found}"


def check_reachable(name: str, relation: Relation, wanted: int) -> None:
    """ValueError where no number can be less than `wanted`."""
    if relation == "less than" and wanted == 0:
        raise ValueError(f"{name}: nothing is less than 0")
