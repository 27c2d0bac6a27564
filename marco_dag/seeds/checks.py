"""Whether one row of a user's seeds file can be trained on, and if not, which field is to blame and why."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from marco_dag.identity import canonical_json
from marco_dag.seeds.strict_json import parse_json
from marco_dag.tasks import TASKS, Question, Reference, is_held_out

FIELDS = ("prompt", "task", "reference")
"""The fields a row must have; others are ignored."""

_PLAIN_CONTROLS = frozenset("\n\t")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row, or a whole file, is quarantined."""

    field: str | None
    """The field to blame; None where there is no single one."""
    reason: str
    """What is wrong and what would be right, in one line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a prompt must keep to."""

    max_prompt_chars: int
    """Characters a prompt may have."""
    held_out_share: float
    """Share of all prompts that a hash keeps from training, in [0, 1]."""


def check_row(row: object, limits: Limits) -> tuple[str, Question] | Fault:
    """The task's name and the question of a row, or the first fault found in it; never raises.

    `row["reference"]` is an object, or (Parquet has no free-form objects) a string that holds one as JSON. White space
    around the prompt is dropped.
    """
    if not isinstance(row, Mapping):
        return Fault(None, f"a row must be an object with the fields {', '.join(FIELDS)}, not {kind_of(row)}")
    for field in FIELDS:
        if row.get(field) is None:
            return Fault(field, "missing")
    prompt, task, reference = (row[field] for field in FIELDS)
    if not isinstance(task, str):
        return Fault("task", f"must be a string, not {kind_of(task)}")
    if task not in TASKS:
        return Fault("task", f"unknown task {task[:80]!r}; known: {', '.join(TASKS)}")
    if not isinstance(prompt, str):
        return Fault("prompt", f"must be a string, not {kind_of(prompt)}")
    prompt = prompt.strip()
    if fault := _check_prompt(prompt, limits):
        return fault
    parsed = _check_reference(task, reference)
    return parsed if isinstance(parsed, Fault) else (task, Question(prompt, parsed))


def _check_prompt(prompt: str, limits: Limits) -> Fault | None:
    if not prompt:
        return Fault("prompt", "blank")
    if len(prompt) > limits.max_prompt_chars:
        return Fault("prompt", f"{len(prompt):,} characters; at most {limits.max_prompt_chars:,} are allowed")
    for position, character in enumerate(prompt):
        if character not in _PLAIN_CONTROLS and unicodedata.category(character) in ("Cc", "Cs"):
            return Fault("prompt", f"control character or lone surrogate U+{ord(character):04X} at {position}")
    if is_held_out(prompt, limits.held_out_share):
        return Fault("prompt", "belongs to the held-out share (by a hash of the prompt), which is never trained on")
    return None


def _check_reference(task: str, reference: object) -> Reference | Fault:
    if isinstance(reference, str):
        try:
            reference = parse_json(reference)
        except ValueError as error:
            return Fault("reference", f"a string here must hold a JSON object: {error}")
    if not isinstance(reference, Mapping):
        return Fault("reference", f"must be an object, not {kind_of(reference)}")
    try:
        canonical_json(dict(reference)).encode()
        TASKS[task].check_reference(reference)
    except (ValueError, TypeError, RecursionError) as error:
        return Fault("reference", " ".join(str(error).split())[:500])
    return reference


def kind_of(value: object) -> str:
    """What a JSON value is, in a person's words."""
    names = {type(None): "null", dict: "an object", list: "a list", bool: "a boolean", str: "a string"}
    return names.get(type(value)) or ("a number" if isinstance(value, int | float) else type(value).__name__)
