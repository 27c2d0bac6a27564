"""A text under judgement, and what more than one rule asks of it, each worked out once."""

from functools import cached_property
from typing import Literal, TypeAlias

from marco_dag.tasks.ifeval.counting import (
    count_cjk_words,
    count_danda_sentences,
    count_full_stop_sentences,
    count_sentences,
    count_words,
)
from marco_dag.tasks.ifeval.detection import detect_language, may_be_written_otherwise

Book: TypeAlias = Literal["ifeval", "multi_if"]
"""Whose rules: IFEval's, made for English, or those that Multi-IF changed for other scripts."""


class Text:
    """One version of a response, as it is judged under one book of rules."""

    def __init__(self, text: str, book: Book = "ifeval") -> None:
        self.text = text
        self.book: Book = book

    @cached_property
    def lower(self) -> str:
        """The text in lower case."""
        return self.text.lower()

    @cached_property
    def language(self) -> str | None:
        """The language that the text seems to be in, by langdetect's code; None where it has nothing to tell by."""
        return detect_language(self.text)

    @cached_property
    def words(self) -> int:
        """How many words the text has, by the book."""
        return count_cjk_words(self.text) if self._script in ("zh", "ja") else count_words(self.text)

    @cached_property
    def sentences(self) -> int:
        """How many sentences the text has, by the book."""
        match self._script:
            case "zh" | "ja":
                return count_full_stop_sentences(self.text)
            case "hi":
                return count_danda_sentences(self.text)
            case _:
                return count_sentences(self.text)

    @property
    def _script(self) -> str:
        """The language that Multi-IF counts by, without its region; "" under IFEval, which counts all alike."""
        if self.book == "ifeval" or not may_be_written_otherwise(self.text):
            return ""
        return (self.language or "").split("-")[0]
