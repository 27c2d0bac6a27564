"""When two siblings say the same: equal text, or equal words whatever case, space and marks."""

from collections.abc import Callable, Mapping
from typing import Literal

from marco_dag.thoughts import Thought

_QUOTES = "\"'“”„‟‘’‚‛«»‹›「」『』"
_MARKS = _QUOTES + ".,;:!?…。、，．；：！？｡､؟،؛।॥"
_ENDS = ".。｡"


def loose_text(text: str) -> str:
    """`text` without case, runs of white space, marks behind words, quotes around them and its full stop.

    A mark goes only where it stands beside a word of two letters or more: "3, 4", "5!", "n!", "-3" and ".5" stay what
    they are, and so does every sign. Takes time in proportion to the text, whatever it is.
    """
    words = " ".join(_bare(word) for word in text.casefold().split())
    return words.rstrip(_ENDS) if words[-1:] in _ENDS else words


def _bare(word: str) -> str:
    end = len(word.rstrip(_MARKS))
    if end < 2 or not word[end - 2 : end].isalpha():
        end = len(word)
    start = len(word) - len(word.lstrip(_QUOTES))
    return word[start:end] if word[start : start + 2].isalpha() else word[:end]


def _loose(thought: Thought) -> Thought:
    return Thought(thought.kind, loose_text(thought.text))


def _exact(thought: Thought) -> Thought:
    return thought


SAMENESS: Mapping[Literal["exact", "loose"], Callable[[Thought], Thought]] = {"exact": _exact, "loose": _loose}
"""By the name in `SearchConfig.duplicates`: thoughts that are mapped to equal ones are the same."""
