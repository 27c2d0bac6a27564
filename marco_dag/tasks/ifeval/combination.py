"""The family `combination`: two responses in one, and the request repeated before the answer."""

from dataclasses import dataclass
from typing import ClassVar

from marco_dag.tasks.answers import shown
from marco_dag.tasks.ifeval.rule import Passage
from marco_dag.tasks.ifeval.text import Text

DIVIDER = "******"
"""What stands between two responses."""


@dataclass(frozen=True, slots=True)
class TwoResponses:
    """`******` divides the response into exactly two that differ; it may also open and close the whole."""

    kind: ClassVar[str] = "combination:two_responses"

    def breach(self, text: Text) -> str | None:
        """How many were found, or that they are the same."""
        parts = [part.strip() for part in text.text.split(DIVIDER)]
        if not all(parts[1:-1]):
            return f"nothing stands between two dividers {DIVIDER}"
        responses = [part for part in parts if part]
        if len(responses) != 2:
            return f"expected 2 responses divided by {DIVIDER}, found {len(responses)}"
        return "the two responses are the same" if responses[0] == responses[1] else None


@dataclass(frozen=True, slots=True)
class RepeatPrompt:
    """The response starts with `prompt_to_repeat`, in either case, white space around both dropped."""

    kind: ClassVar[str] = "combination:repeat_prompt"

    prompt_to_repeat: Passage
    """The request."""

    def breach(self, text: Text) -> str | None:
        """How the response starts instead."""
        if text.lower.lstrip().startswith(self.prompt_to_repeat.strip().lower()):
            return None
        return f"expected the request first, found {shown(text.text.lstrip())}"
