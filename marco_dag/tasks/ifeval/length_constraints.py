"""The family `length_constraints`: how many words, sentences and paragraphs a response has."""

import re
from dataclasses import dataclass
from typing import ClassVar

from marco_dag.tasks.answers import shown
from marco_dag.tasks.ifeval.rule import Count, MaybeBlankWord, Position, Relation, check_reachable, compare
from marco_dag.tasks.ifeval.text import Text

_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_AFTER_A_WORD = re.compile(r"[.,?!'\"]")


@dataclass(frozen=True, slots=True)
class NumberSentences:
    """The response has `relation` `num_sentences` sentences (`Text.sentences`)."""

    kind: ClassVar[str] = "length_constraints:number_sentences"

    num_sentences: Count
    """How many."""
    relation: Relation
    """How the two compare."""

    def __post_init__(self) -> None:
        check_reachable("num_sentences", self.relation, self.num_sentences)

    def breach(self, text: Text) -> str | None:
        """How many were found."""
        return compare(text.sentences, self.relation, self.num_sentences, "sentences")


@dataclass(frozen=True, slots=True)
class NumberWords:
    """The response has `relation` `num_words` words (`Text.words`)."""

    kind: ClassVar[str] = "length_constraints:number_words"

    num_words: Count
    """How many."""
    relation: Relation
    """How the two compare."""

    def __post_init__(self) -> None:
        check_reachable("num_words", self.relation, self.num_words)

    def breach(self, text: Text) -> str | None:
        """How many were found."""
        return compare(text.words, self.relation, self.num_words, "words")


@dataclass(frozen=True, slots=True)
class NumberParagraphs:
    """`***` divides the response into exactly `num_paragraphs` paragraphs.

    A divider may also open and close the response. An empty paragraph between two dividers breaks the rule.
    """

    kind: ClassVar[str] = "length_constraints:number_paragraphs"

    num_paragraphs: Count
    """How many."""

    def breach(self, text: Text) -> str | None:
        """How many were found, or that one is empty."""
        paragraphs = [paragraph.strip() for paragraph in _DIVIDER.split(text.text)]
        if not all(paragraphs[1:-1]):
            return "a paragraph between two dividers *** is empty"
        found = sum(1 for paragraph in paragraphs if paragraph)
        return None if found == self.num_paragraphs else f"expected {self.num_paragraphs} paragraphs, found {found}"


@dataclass(frozen=True, slots=True)
class NthParagraphFirstWord:
    """Blank lines divide the response into exactly `num_paragraphs` paragraphs; the n-th starts with `first_word`.

    The first word ends at white space or at one of `.,?!'"`, and quotation marks before it are skipped; case does not
    matter. As published, empty paragraphs (from two blank lines in a row) are not counted, but do move the n-th one,
    and a `first_word` of two words is never met.
    """

    kind: ClassVar[str] = "length_constraints:nth_paragraph_first_word"

    num_paragraphs: Count
    """How many paragraphs."""
    nth_paragraph: Position
    """Which of them, from 1."""
    first_word: MaybeBlankWord
    """Its first word."""

    def __post_init__(self) -> None:
        if self.nth_paragraph > self.num_paragraphs:
            raise ValueError(f"nth_paragraph: there is no paragraph {self.nth_paragraph} of {self.num_paragraphs}")

    def breach(self, text: Text) -> str | None:
        """How many paragraphs were found, or with which word the n-th starts."""
        paragraphs = [paragraph.strip() for paragraph in text.text.split("\n\n")]
        found = sum(1 for paragraph in paragraphs if paragraph)
        if found != self.num_paragraphs:
            return f"expected {self.num_paragraphs} paragraphs, found {found}"
        paragraph = paragraphs[self.nth_paragraph - 1]
        if not paragraph:
            return f"paragraph {self.nth_paragraph} is empty"
        word = _AFTER_A_WORD.split(paragraph.split(maxsplit=1)[0].lstrip("'").lstrip('"'), maxsplit=1)[0]
        if word.lower() != self.first_word.lower():
            return (
                f"expected paragraph {self.nth_paragraph} to start with {shown(self.first_word)}, found {shown(word)}"
            )
        return None
