"""The lines of a journal: what a record says, how it is spelled, how a file of them is read.

A line is the CRC-32 of its record in hex, a space, and the record as a JSON list: what it is, of which tree, the rest.
A line whose checksum does not fit is damaged; so is one whose checksum fits but that says nothing this version knows.
It opens files for reading only and decides nothing.
"""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from marco_dag.engines.protocol import Completion
from marco_dag.tasks.protocol import Verdict

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class TreeEnd:
    """How a tree came out."""

    correct: int
    wrong: int
    tokens: int
    seconds: float
    stop_reason: str

    @property
    def failed(self) -> bool:
        """Whether an engine ended it."""
        return self.stop_reason.startswith("failed")


Record: TypeAlias = "TreeEnd | tuple[str, Verdict] | tuple[str, Sequence[Completion]]"
"""What a line says of a tree: its end, the verdict on an answer by node id, or completions by the ask's key."""


def call_line(tree_id: str, key: str, completions: Sequence[Completion]) -> bytes:
    """The line that says what an ask was answered; any text is held as it is, lone surrogates too."""
    return _line(
        ["call", tree_id, key, [[c.text, c.tokens, c.finish_reason, c.stop, c.confidence] for c in completions]]
    )


def verdict_line(tree_id: str, answer_id: str, verdict: Verdict) -> bytes:
    """The line that says what the check of an answer found."""
    return _line(["verdict", tree_id, answer_id, [verdict.outcome, verdict.reason, verdict.answer]])


def end_line(tree_id: str, end: TreeEnd) -> bytes:
    """The line that says how a tree came out."""
    return _line(["end", tree_id, [end.correct, end.wrong, end.tokens, end.seconds, end.stop_reason]])


class JournalReader:
    """Reads a journal, also while another process appends to it; each time only what is new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        """Bytes read so far: whole lines. What lies behind them is being written, or torn."""
        self.lines = 0
        """Lines read so far."""
        self.damaged: list[int] = []
        """Numbers, from 1, of the lines that were left out."""

    def read(self) -> Iterator[tuple[str, Record]]:
        """Tree id and record of every whole line since the last time, in the order of the appends.

        A damaged line is left out. OSError where the file cannot be read, FileNotFoundError where it is gone.
        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self.offset += len(line)
                self.lines += 1
                record = parse(line)
                if record is None:
                    self.damaged.append(self.lines)
                else:
                    yield record


def parse(line: bytes) -> tuple[str, Record] | None:
    """Tree id and record of a whole line; None where it is damaged or of another version."""
    text = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(text):
        return None
    try:
        return _record(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _line(record: Sequence[object]) -> bytes:
    text = _encode(record).encode("utf-8", "surrogatepass")
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _record(fields: object) -> tuple[str, Record]:
    match fields:
        case ["call", str(tree_id), str(key), list(rows)]:
            return tree_id, (key, [_completion(row) for row in rows])
        case ["verdict", str(tree_id), str(key), ["correct" | "wrong" | "no_answer" as outcome, str(reason), answer]]:
            if answer is None or isinstance(answer, str):
                return tree_id, (key, Verdict(outcome, reason, answer))
        case ["end", str(tree_id), [int(correct), int(wrong), int(tokens), int() | float() as seconds, str(reason)]]:
            return tree_id, TreeEnd(correct, wrong, tokens, seconds, reason)
    raise ValueError("no record of this version")


def _completion(row: object) -> Completion:
    match row:
        case [str(text), int(tokens), "stop" | "length" as end, str() | None as stop, int() | float() | None as sure]:
            return Completion(text, tokens, end, stop, sure)
    raise ValueError("no completion of this version")
