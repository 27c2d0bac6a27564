"""Every kind of instruction by its published name, and published references read into rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marco_dag.identity import JsonValue
from marco_dag.tasks.answers import shown
from marco_dag.tasks.ifeval.change_case import CapitalWordFrequency, EnglishCapital, EnglishLowercase
from marco_dag.tasks.ifeval.combination import RepeatPrompt, TwoResponses
from marco_dag.tasks.ifeval.detectable_content import NumberPlaceholders, Postscript
from marco_dag.tasks.ifeval.detectable_format import (
    ConstrainedResponse,
    JsonFormat,
    MultipleSections,
    NumberBulletLists,
    NumberHighlightedSections,
    Title,
)
from marco_dag.tasks.ifeval.keywords import Existence, ForbiddenWords, Frequency, LetterFrequency
from marco_dag.tasks.ifeval.language import ResponseLanguage
from marco_dag.tasks.ifeval.length_constraints import (
    NthParagraphFirstWord,
    NumberParagraphs,
    NumberSentences,
    NumberWords,
)
from marco_dag.tasks.ifeval.punctuation import NoComma
from marco_dag.tasks.ifeval.rule import Rule, read_rule
from marco_dag.tasks.ifeval.startend import EndChecker, Quotation
from marco_dag.tasks.ifeval.text import Book
from marco_dag.tasks.protocol import Reference

RULES: Mapping[str, type[Rule]] = {
    rule.kind: rule
    for rule in (
        Existence,
        Frequency,
        ForbiddenWords,
        LetterFrequency,
        ResponseLanguage,
        NumberSentences,
        NumberParagraphs,
        NumberWords,
        NthParagraphFirstWord,
        NumberPlaceholders,
        Postscript,
        NumberBulletLists,
        ConstrainedResponse,
        NumberHighlightedSections,
        MultipleSections,
        JsonFormat,
        Title,
        TwoResponses,
        RepeatPrompt,
        EndChecker,
        CapitalWordFrequency,
        EnglishCapital,
        EnglishLowercase,
        NoComma,
        Quotation,
    )
}
"""Published name → rule; its fields are the published kwargs."""

MULTI_IF_LANGUAGES = ("en", "zh", "hi", "es", "fr", "it", "pt", "ru")
"""The languages of Multi-IF's requests, by ISO 639-1."""

_MOST_INSTRUCTIONS = 32


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a reference asks."""

    rules: Sequence[Rule]
    """In the reference's order."""
    book: Book
    """Under which book of rules they are judged."""


def read_instructions(reference: Reference) -> Instructions:
    """The rules of a reference.

    ValueError("instruction or field: reason") names what is unknown, missing or impossible.
    """
    kinds, kwargs = reference.get("instruction_id_list"), reference.get("kwargs")
    if not isinstance(kinds, list) or not 0 < len(kinds) <= _MOST_INSTRUCTIONS:
        raise ValueError(f"instruction_id_list: must be a list of 1 to {_MOST_INSTRUCTIONS} kinds of instruction")
    if not isinstance(kwargs, list) or len(kwargs) != len(kinds):
        raise ValueError("kwargs: must be a list of objects, one for each instruction")
    return Instructions([_read(kind, given) for kind, given in zip(kinds, kwargs, strict=True)], _book(reference))


def _read(kind: JsonValue, kwargs: JsonValue) -> Rule:
    if not isinstance(kind, str) or kind not in RULES:
        raise ValueError(f"instruction_id_list: unknown instruction {shown(str(kind))}; known: {', '.join(RULES)}")
    if not isinstance(kwargs, Mapping):
        raise ValueError(f"{kind}: its kwargs must be an object")
    try:
        return read_rule(RULES[kind], kwargs)
    except ValueError as error:
        raise ValueError(f"{kind}: {error}") from None


def _book(reference: Reference) -> Book:
    language = reference.get("language")
    if language is None:
        return "ifeval"
    if language not in MULTI_IF_LANGUAGES:
        raise ValueError(
            f"language: must be one of {', '.join(MULTI_IF_LANGUAGES)}, or left out for IFEval's own rules"
        )
    return "multi_if"
