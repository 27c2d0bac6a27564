"""The family `detectable_format`: bullets, highlights, sections, titles, JSON, and answers from a list.

Each check takes time linear in the response, where some of the published regular expressions take quadratic time.
"""

import json
import re
from dataclasses import dataclass
from typing import ClassVar

from marco_dag.tasks.answers import shown
from marco_dag.tasks.ifeval.rule import Count, Phrase, compare
from marco_dag.tasks.ifeval.text import Text

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
"""What a constrained response may say."""

_SINGLE = re.compile(r"\*[^\n*]*\*")
_DOUBLE = re.compile(r"\*\*[^\n*]*\*\*")
_NUMBER = re.compile(r"\s?\d+\s?")
_FENCES = ("```json", "```Json", "```JSON", "```")


@dataclass(frozen=True, slots=True)
class NumberBulletLists:
    """The response has exactly `num_bullets` bullets: lines that start with `*` (but not `**`) or `-`, indented or not.

    As published, a `*` alone on its line takes the line below as its text, and a ruler `---` is a bullet.
    """

    kind: ClassVar[str] = "detectable_format:number_bullet_lists"

    num_bullets: Count
    """How many."""

    def breach(self, text: Text) -> str | None:
        """How many were found."""
        lines = [line.lstrip() for line in text.text.split("\n")]
        found = sum(1 for line in lines if line.startswith("-")) + _count_starred(lines)
        return None if found == self.num_bullets else f"expected {self.num_bullets} bullets, found {found}"


@dataclass(frozen=True, slots=True)
class ConstrainedResponse:
    """The response holds one of `OPTIONS`, word for word."""

    kind: ClassVar[str] = "detectable_format:constrained_response"

    def breach(self, text: Text) -> str | None:
        """That none was found."""
        return None if any(option in text.text for option in OPTIONS) else f"none of {', '.join(OPTIONS)} was found"


@dataclass(frozen=True, slots=True)
class NumberHighlightedSections:
    """The response holds at least `num_highlights` highlights, `*…*` or `**…**`, none empty or longer than a line."""

    kind: ClassVar[str] = "detectable_format:number_highlighted_sections"

    num_highlights: Count
    """How many at least."""

    def breach(self, text: Text) -> str | None:
        """How many were found."""
        single = sum(1 for found in _SINGLE.findall(text.text) if found.strip("*").strip())
        double = sum(1 for found in _DOUBLE.findall(text.text) if found[2:-2].strip())
        return compare(single + double, "at least", self.num_highlights, "highlighted sections")


@dataclass(frozen=True, slots=True)
class MultipleSections:
    """`section_spliter` with a number behind it stands in the response at least `num_sections` times."""

    kind: ClassVar[str] = "detectable_format:multiple_sections"

    section_spliter: Phrase
    """What opens a section, such as `Section`; a literal text, white space around it is dropped, case matters."""
    num_sections: Count
    """How many at least."""

    def breach(self, text: Text) -> str | None:
        """How many were found."""
        opening = self.section_spliter.strip()
        count, place = 0, text.text.find(opening)
        while place >= 0:
            number = _NUMBER.match(text.text, place + len(opening))
            count += number is not None
            place = text.text.find(opening, number.end() if number else place + 1)
        return compare(count, "at least", self.num_sections, f"sections {shown(opening)}")


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The whole response is JSON as Python reads it, in a Markdown fence or not.

    What Python cannot read for its depth or for the length of a number breaks the rule.
    """

    kind: ClassVar[str] = "detectable_format:json_format"

    def breach(self, text: Text) -> str | None:
        """Where it stops being JSON."""
        value = text.text.strip()
        for fence in _FENCES:
            value = value.removeprefix(fence)
        try:
            json.loads(value.removesuffix("```").strip())
        except json.JSONDecodeError as error:
            return f"not JSON: {error.msg} at character {error.pos + 1}"
        except RecursionError:
            return "not JSON that can be read: nested too deeply"
        except ValueError:
            return "not JSON that can be read: a number is too long"
        return None


@dataclass(frozen=True, slots=True)
class Title:
    """The response holds a title in double angular brackets, on one line: `<<title>>`."""

    kind: ClassVar[str] = "detectable_format:title"

    def breach(self, text: Text) -> str | None:
        """That there is none."""
        return None if any(map(_holds_title, text.text.split("\n"))) else "no title in << >> was found"


def _count_starred(lines: list[str]) -> int:
    """Bullets with `*` among lines without their indentation."""
    count, number = 0, 0
    while number < len(lines):
        line = lines[number]
        if line == "*" and number + 1 < len(lines):
            count, number = count + 1, number + 1
        elif line.startswith("*") and line[1:2] not in ("", "*"):
            count += 1
        number += 1
    return count


def _holds_title(line: str) -> bool:
    """Whether anything but brackets and white space stands between the first `<<` and the last `>>`."""
    opening, closing = line.find("<<"), line.rfind(">>")
    return 0 <= opening < closing - 2 and line[opening : closing + 2].lstrip("<").rstrip(">").strip() != ""
