"""The family `detectable_content`: placeholders and postscripts."""

import re
from dataclasses import dataclass
from typing import ClassVar

from marco_dag.tasks.answers import shown
from marco_dag.tasks.ifeval.rule import Count, Phrase, compare
from marco_dag.tasks.ifeval.text import Text

_POSTSCRIPTS = {"P.S.": re.compile(r"p\.\s?s\."), "P.P.S": re.compile(r"p\.\s?p\.\s?s")}


@dataclass(frozen=True, slots=True)
class NumberPlaceholders:
    """The response holds at least `num_placeholders` placeholders: `[`, anything but a line's end, `]`."""

    kind: ClassVar[str] = "detectable_content:number_placeholders"

    num_placeholders: Count
    """How many at least."""

    def breach(self, text: Text) -> str | None:
        """How many were found."""
        found = sum(map(_count_bracketed, text.text.split("\n")))
        return compare(found, "at least", self.num_placeholders, "placeholders")


@dataclass(frozen=True, slots=True)
class Postscript:
    """`postscript_marker` stands anywhere in the response, in either case.

    In `P.S.` and `P.P.S` each point but the last may have one white space behind it.
    """

    kind: ClassVar[str] = "detectable_content:postscript"

    postscript_marker: Phrase
    """What opens the postscript; white space around it is dropped."""

    def breach(self, text: Text) -> str | None:
        """That it is missing."""
        marker = self.postscript_marker.strip()
        known = _POSTSCRIPTS.get(marker)
        is_there = known.search(text.lower) is not None if known else marker.lower() in text.lower
        return None if is_there else f"no postscript {shown(marker)} was found"


def _count_bracketed(line: str) -> int:
    """How many `[…]` follow one another in a line, each up to the next `]`."""
    count = 0
    opening = line.find("[")
    while opening >= 0 and (closing := line.find("]", opening)) >= 0:
        count += 1
        opening = line.find("[", closing)
    return count
