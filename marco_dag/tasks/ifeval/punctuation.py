"""The family `punctuation`: no commas."""

from dataclasses import dataclass
from typing import ClassVar

from marco_dag.tasks.ifeval.text import Text


@dataclass(frozen=True, slots=True)
class NoComma:
    """The response holds no `,`; the commas of other scripts (`，`, `、`, `،`) are allowed, in Multi-IF too."""

    kind: ClassVar[str] = "punctuation:no_comma"

    def breach(self, text: Text) -> str | None:
        """How many commas were found."""
        found = text.text.count(",")
        return f"expected no comma, found {found}" if found else None
