"""The language of a chain: thought kinds and their tagged blocks, shared by search, miniature, training and evaluation.

A chain is a sequence of blocks, `<thinking>…</thinking>`, one a thought (paper §3.1). This module writes and reads that
text. It does not decide which thought may follow which (`marco_dag.search.patterns`) nor whether an answer is right
(`marco_dag.tasks`). Model output is hostile text: reading never raises.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ThoughtKind(StrEnum):
    """The paper's seven kinds and upstream's thinking-from-scratch; the value is the tag."""

    SUB_TASK = "sub-task"
    """Breaks the task down: "Firstly, I need to break down this task."."""
    THINKING = "thinking"
    """Carries the reasoning on."""
    HYPOTHESIS = "hypothesis"
    """Proposes an answer to be worked towards: "I propose the following hypothesis:"."""
    DOUBLE_CHECK = "double-check"
    """Checks the work before answering: "Now, I need to check whether all requirements are met."."""
    REFLECTION = "reflection"
    """Says what went wrong after a failed check: "Let's check the result. Wait! something is wrong…"."""
    RECLARIFY = "reclarify"
    """Restates the task after a failed check: "To ensure clarity, let me restate…"."""
    THINKING_FROM_SCRATCH = "thinking-from-scratch"
    """Starts the reasoning over, after a reflection (upstream's addition)."""
    ANSWER = "answer"
    """States the final answer: "The answer is:"; always a leaf."""

    opening_tag: str
    """`<kind>`."""
    closing_tag: str
    """`</kind>`: generation of a thought stops here."""

    def __init__(self, value: str) -> None:
        self.opening_tag = f"<{value}>"
        self.closing_tag = f"</{value}>"


TAGS: tuple[str, ...] = tuple(tag for kind in ThoughtKind for tag in (kind.opening_tag, kind.closing_tag))
"""Every opening and closing tag, in the order of the kinds."""

_ANY_TAG = re.compile("|".join(re.escape(tag) for tag in TAGS))
_LAST_ANSWER = re.compile(
    re.escape(ThoughtKind.ANSWER.opening_tag)
    + r"((?:(?!</?(?:" + "|".join(kind.value for kind in ThoughtKind) + r")>).)*)"
    + re.escape(ThoughtKind.ANSWER.closing_tag),
    re.DOTALL,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thought:
    """One block of a chain."""

    kind: ThoughtKind
    """What the block does."""
    text: str
    """What stands between its tags; holds no tag."""

    def render(self) -> str:
        """The tagged block."""
        return f"{self.kind.opening_tag}{self.text}{self.kind.closing_tag}"


def render_chain(thoughts: Sequence[Thought]) -> str:
    """The chain's text: its blocks, one after the other, with nothing between them."""
    return "".join(thought.render() for thought in thoughts)


def parse_chain(text: str) -> tuple[list[Thought], str]:
    """Split a chain into its blocks; returns the well-formed leading blocks and the rest that is not ("" if all is).

    A block whose closing tag belongs to another kind, or that holds a foreign tag, ends the well-formed part.
    """
    thoughts: list[Thought] = []
    position = 0
    while position < len(text):
        opening = _ANY_TAG.match(text, position)
        closing = _ANY_TAG.search(text, opening.end()) if opening else None
        if opening is None or closing is None or opening.group().startswith("</"):
            break
        kind = ThoughtKind(opening.group()[1:-1])
        if closing.group() != kind.closing_tag:
            break
        thoughts.append(Thought(kind, text[opening.end() : closing.start()]))
        position = closing.end()
    return thoughts, text[position:]


def holds_tag(text: str) -> bool:
    """Whether a thought's text holds any tag of the chain language: such a thought is malformed."""
    return _ANY_TAG.search(text) is not None


def ends_inside_block(text: str) -> bool:
    """Whether the chain's last tag opens a block that nothing closes: the chain was cut."""
    tags = _ANY_TAG.findall(text)
    return bool(tags) and not tags[-1].startswith("</")


def extract_answer(text: str) -> str | None:
    """The stripped text of the last closed Answer block, or None: that chain has no answer (the paper's no-answer)."""
    answers = _LAST_ANSWER.findall(text)
    return answers[-1].strip() if answers else None
