"""The family `startend`: how a response ends, and quotation marks around it."""

from dataclasses import dataclass
from typing import ClassVar

from marco_dag.tasks.answers import shown
from marco_dag.tasks.ifeval.rule import Passage
from marco_dag.tasks.ifeval.text import Text

_QUOTATION_MARKS = {"ifeval": ('""',), "multi_if": ('""', "“”", "「」")}
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class EndChecker:
    """The response ends with `end_phrase`, in either case; white space, then `"` around the response is dropped."""

    kind: ClassVar[str] = "startend:end_checker"

    end_phrase: Passage
    """The last words; white space around them is dropped."""

    def breach(self, text: Text) -> str | None:
        """How the response ends instead."""
        end = text.lower.strip().strip('"')
        phrase = self.end_phrase.strip().lower()
        return None if end.endswith(phrase) else f"expected {shown(phrase)} last, found {shown(end[-_SHOWN_CHARS:])}"


@dataclass(frozen=True, slots=True)
class Quotation:
    """The first and the last character of the response are double quotation marks.

    Under Multi-IF those of Chinese (`“”`) and Japanese (`「」`) too, whatever the language.
    """

    kind: ClassVar[str] = "startend:quotation"

    def breach(self, text: Text) -> str | None:
        """The first and last characters found."""
        wrapped = text.text.strip()
        ends = wrapped[0] + wrapped[-1]
        if len(wrapped) > 1 and ends in _QUOTATION_MARKS[text.book]:
            return None
        return f"expected quotation marks around the response, found {shown(wrapped[0])} and {shown(wrapped[-1])}"
