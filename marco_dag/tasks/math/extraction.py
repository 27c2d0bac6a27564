"""Which answer a response states. Whether it is right is not asked here.

In this order: the last `\\boxed{…}` or `\\fbox{…}`; else what the last "answer is …" or "answer: …" names, or GSM8K's own
last line `#### 18`, whichever comes later; else, of a chain, its last Answer block as it is. Free text with none of these
states no answer. Every search here is iterative and linear in the response's length.
"""

import re
from dataclasses import dataclass

from marco_dag.tasks.answers import stated_text
from marco_dag.thoughts import holds_tag

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_UNBRACED = re.compile(r"(?:[^\s$\\]|\\[^)\]\s])+")

_PHRASE = re.compile(r"\banswer(?:s?\*\*)?\s{0,4}(?:is|:|=)[\s:=*]*", re.IGNORECASE)
_HASHES = re.compile(r"^####[ \t]*([+-]?\$?[0-9][0-9,.]*%?)[ \t]*$", re.MULTILINE)

_SEGMENT = re.compile(
    r"\$\$([^$]+)\$\$"
    r"|\\\[(.+?)\\\]"
    r"|\\\((.+?)\\\)"
    r"|\$(?![\s$])((?:[^$\n\\]|\\.)+)(?<!\s)\$(?!\d)",
    re.DOTALL,
)
_JOINT = re.compile(r"\s{0,4}(?:,?\s{0,4}(?:and|or)\b|,)\s{0,4}")
_SENTENCE_END = re.compile(r"\n|\.(?=\s|\*|$)")


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """The answer that a response states, or why it states none."""

    text: str | None
    """As it stands in the response, not empty; None where there is no answer."""
    missing: str = ""
    """One line for a person where there is none."""


def extract_final_answer(response: str) -> FinalAnswer:
    """The answer that a chain or a free text states: see the module."""
    text = stated_text(response)
    is_chain = holds_tag(response)
    if text is None:
        return FinalAnswer(None, "no closed answer block" if is_chain else "the response is empty")
    boxes = list(_BOX.finditer(text))
    if boxes:
        content = _box_content(text, boxes[-1].end())
        if content is None:
            return FinalAnswer(None, "the last box is never closed")
        return FinalAnswer(content, "") if content else FinalAnswer(None, "the last box is empty")
    named = _named_answer(text)
    if named or is_chain:
        answer = named or text
        return FinalAnswer(answer) if answer else FinalAnswer(None, "the answer block is empty")
    return FinalAnswer(None, 'neither a box nor "answer is"')


def _box_content(text: str, start: int) -> str | None:
    """What the box holds whose command ends at `start`; None where it is not closed, or nothing follows."""
    if not text.startswith("{", start):
        unbraced = _UNBRACED.match(text, start)
        return unbraced.group() if unbraced else None
    depth = 0
    for brace in _BRACE.finditer(text, start):
        if brace.group() == "{":
            depth += 1
        elif brace.group() == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : brace.start()].strip()
    return None


def _named_answer(text: str) -> str:
    """What the last "answer is" or `####` names; "" where there is neither, or nothing behind it."""
    phrase = max((match.end() for match in _PHRASE.finditer(text)), default=-1)
    hashes = max(_HASHES.finditer(text), key=lambda match: match.end(), default=None)
    if hashes is not None and hashes.end() > phrase:
        return hashes.group(1)
    return _first_statement(text, phrase) if phrase >= 0 else ""


def _first_statement(text: str, start: int) -> str:
    """The formulas that `text` opens with at `start`, as many as are joined by "and", "or" or commas; else its sentence."""
    formulas = []
    segment = _SEGMENT.match(text, start)
    while segment is not None:
        formulas.append(segment.group(segment.lastindex or 0))
        joint = _JOINT.match(text, segment.end())
        segment = _SEGMENT.match(text, joint.end()) if joint else None
    if formulas:
        return ", ".join(formulas).strip()
    end = _SENTENCE_END.search(text, start)
    return text[start : end.start() if end else len(text)].strip(" \t*_")
