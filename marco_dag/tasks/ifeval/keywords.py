"""The family `keywords`: words and letters that a response must hold, how often, or must not hold.

Keywords are literal texts, in either case: the published checkers read them as regular expressions, which none in the
published files needs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from marco_dag.tasks.answers import shown
from marco_dag.tasks.ifeval.rule import Count, Letter, Phrase, Relation, Words, check_reachable, compare
from marco_dag.tasks.ifeval.text import Text


@dataclass(frozen=True, slots=True)
class Existence:
    """Every one of `keywords` stands somewhere in the response, also as part of a word."""

    kind: ClassVar[str] = "keywords:existence"

    keywords: Words
    """What must be there."""

    def breach(self, text: Text) -> str | None:
        """The first keyword that is missing."""
        return next((f"{shown(word)} is missing" for word in self.keywords if word.lower() not in text.lower), None)


@dataclass(frozen=True, slots=True)
class Frequency:
    """`keyword` stands in the response `relation` `frequency` times, parts of words counted."""

    kind: ClassVar[str] = "keywords:frequency"

    keyword: Phrase
    """What is counted; white space around it is dropped."""
    frequency: Count
    """How often."""
    relation: Relation
    """How the two compare."""

    def __post_init__(self) -> None:
        check_reachable("frequency", self.relation, self.frequency)

    def breach(self, text: Text) -> str | None:
        """How often it was found."""
        found = text.lower.count(self.keyword.strip().lower())
        return compare(found, self.relation, self.frequency, f"times {shown(self.keyword.strip())}")


@dataclass(frozen=True, slots=True)
class ForbiddenWords:
    """None of `forbidden_words` stands in the response as a word: with a word's boundary on both sides.

    Between two Chinese characters there is no such boundary, in the published checkers neither.
    """

    kind: ClassVar[str] = "keywords:forbidden_words"

    forbidden_words: Words
    """What must not be there."""

    def breach(self, text: Text) -> str | None:
        """The first forbidden word that was found."""
        found = (word for word in self.forbidden_words if any(_bounded(text.lower, word.lower())))
        return next((f"{shown(word)} is forbidden and was found" for word in found), None)


@dataclass(frozen=True, slots=True)
class LetterFrequency:
    """The character `letter` stands in the response `relation` `let_frequency` times, in either case."""

    kind: ClassVar[str] = "keywords:letter_frequency"

    letter: Letter
    """What is counted: any character but white space."""
    let_frequency: Count
    """How often."""
    let_relation: Relation
    """How the two compare."""

    def __post_init__(self) -> None:
        check_reachable("let_frequency", self.let_relation, self.let_frequency)

    def breach(self, text: Text) -> str | None:
        """How often it was found."""
        found = text.lower.count(self.letter.lower())
        return compare(found, self.let_relation, self.let_frequency, f"times {shown(self.letter)}")


def _bounded(text: str, word: str) -> Iterator[bool]:
    """For each place of `word` in `text`, overlapping ones too, whether both its ends are boundaries of words."""
    start = text.find(word)
    while start >= 0:
        yield _is_boundary(text, start) and _is_boundary(text, start + len(word))
        start = text.find(word, start + 1)


def _is_boundary(text: str, place: int) -> bool:
    r"""Whether the regular expression `\b` matches in `text` at `place`."""
    before = place > 0 and _is_of_a_word(text[place - 1])
    return before != (place < len(text) and _is_of_a_word(text[place]))


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"
