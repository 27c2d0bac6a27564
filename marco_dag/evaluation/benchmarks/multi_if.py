"""Multi-IF (He et al. 2024, arXiv 2410.15553): conversations of up to three turns in eight languages.

Each turn adds instructions, and all so far must be followed; the history is the model's own replies.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from marco_dag.evaluation.benchmarks import fields
from marco_dag.evaluation.benchmarks.ifeval import instructions
from marco_dag.evaluation.benchmarks.protocol import HubName, Item, Procedure, Row, RowError
from marco_dag.tasks.protocol import Reference

LANGUAGES = {
    "Chinese": "zh",
    "English": "en",
    "French": "fr",
    "German": "de",
    "Hindi": "hi",
    "Italian": "it",
    "Portuguese": "pt",
    "Russian": "ru",
    "Spanish": "es",
    "Thai": "th",
    "Vietnamese": "vi",
}
"""The languages as the data set's columns spell them, and their ISO 639-1 codes."""

_MOST_TURNS = 3


class MultiIf:
    """Greedy, turn by turn. Reads the published `turn_1_prompt` … columns, and rows with a list `turns`."""

    name = "Multi-IF"
    task = "ifeval"
    hub = HubName("facebook/Multi-IF", "train")
    procedure = Procedure(max_tokens=1280)

    def read(self, row: Row, folder: Path | None) -> Item:  # noqa: ARG002
        """RowError where a turn lacks its prompt or its instructions, or the language is none of LANGUAGES."""
        name = fields.text(row, "language").strip()
        language = LANGUAGES.get(name.capitalize(), name if name in LANGUAGES.values() else None)
        if language is None:
            raise RowError("language", f"unknown language {name[:40]!r}; known: {', '.join(LANGUAGES)}")
        turns = list(_turns(row))
        if not turns:
            raise RowError("turns", "no turn")
        references = tuple({**reference, "language": language} for _, reference in turns)
        return Item(fields.key(row, "key", "id"), tuple(prompt for prompt, _ in turns), references, language)


def _turns(row: Row) -> Iterator[tuple[str, Reference]]:
    """What the user says in each turn, and the instructions that then hold."""
    listed = fields.parsed(row, "turns") if row.get("turn_1_prompt") is None else None
    if listed is not None:
        if not isinstance(listed, list):
            raise RowError("turns", "must be a list")
        for turn in listed:
            yield fields.text(fields.as_row(turn), "prompt"), instructions(fields.as_row(turn))
        return
    for number in range(1, _MOST_TURNS + 1):
        if row.get(f"turn_{number}_prompt") in (None, ""):
            return  # a conversation that ends early
        yield _said(row, f"turn_{number}_prompt"), instructions(row, f"turn_{number}_")


def _said(row: Row, field: str) -> str:
    """The published columns hold a whole message as JSON, `{"role": "user", "content": "…"}`."""
    value = fields.text(row, field)
    if not value.lstrip().startswith("{"):
        return value
    try:
        return fields.text(fields.as_row(json.loads(value)), "content")
    except ValueError as error:
        raise RowError(field, f"must be a message with a content: {error}") from error
