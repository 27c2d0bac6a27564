"""Judging a response by every instruction of its reference, strictly and loosely, as IFEval publishes both."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from marco_dag.tasks.answers import read_answer
from marco_dag.tasks.ifeval.registry import Instructions, read_instructions
from marco_dag.tasks.ifeval.text import Text
from marco_dag.tasks.protocol import Reference
from marco_dag.thoughts import holds_tag

_NOTHING_STATED = "nothing is stated"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of each instruction, in the reference's order."""

    strict: tuple[bool, ...]
    """Whether the response as it stands follows it."""
    loose: tuple[bool, ...]
    """Whether the response follows it, or one of seven texts made from it: without its first line, its last line or
    both, and all four without asterisks."""
    reasons: tuple[str | None, ...]
    """Where it is not followed strictly: what was expected and what was found."""


def judge(response: str, reference: Reference) -> Judgement:
    """Judge a response, a chain (its last Answer block) or free text, by a reference that `check_reference` lets pass.

    A response that states nothing follows no instruction. Never raises on hostile text; 200,000 characters of it take
    two seconds at most.
    """
    instructions = read_instructions(reference)
    stated = judged_text(response)
    if stated is None:
        none = (False,) * len(instructions.rules)
        return Judgement(none, none, (_NOTHING_STATED,) * len(instructions.rules))
    reasons = find_breaches(stated, instructions)
    loosely = _follow_loosely(stated, instructions, [reason is not None for reason in reasons])
    return Judgement(tuple(reason is None for reason in reasons), loosely, reasons)


def judged_text(response: str) -> str | None:
    """What is judged: of a chain its last Answer block, of free text all of it, untouched; None where that is blank."""
    stated = read_answer(response) if holds_tag(response) else response
    return stated if stated and not stated.isspace() else None


def find_breaches(stated: str, instructions: Instructions) -> tuple[str | None, ...]:
    """What `Rule.breach` says of each instruction on a text that is not blank."""
    text = Text(stated, instructions.book)
    return tuple(rule.breach(text) for rule in instructions.rules)


def _follow_loosely(stated: str, instructions: Instructions, broken: Sequence[bool]) -> tuple[bool, ...]:
    """Whether each rule is followed, or, where it is `broken`, would be by another version of the response."""
    followed = [not was_broken for was_broken in broken]
    for version in _versions(stated):
        if all(followed):
            break
        text = Text(version, instructions.book)
        for number, rule in enumerate(instructions.rules):
            followed[number] = followed[number] or rule.breach(text) is None
    return tuple(followed)


def _versions(stated: str) -> Iterator[str]:
    """The other versions of a response that are not blank, each once."""
    lines = stated.split("\n")
    cut = ["\n".join(kept).strip() for kept in (lines[1:], lines[:-1], lines[1:-1])]
    versions = [stated, *cut]
    versions += [version.replace("*", "") for version in versions]
    yield from (version for version in dict.fromkeys(versions) if version.strip() and version != stated)
