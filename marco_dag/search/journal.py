"""The journal of one block of trees: an append-only file of checked lines.

A line is the CRC-32 of its record in hex, a space, and the record as a JSON list: what it is, of which tree, the rest.
Appends go straight to the file, so a process that is killed loses nothing that it appended; a line that is
torn or damaged is found by its checksum and left out. The journal knows completions, verdicts and ends of trees, and
nothing of the search that asked for them.
"""

import json
import logging
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from marco_dag.engines.protocol import Completion
from marco_dag.errors import SearchError
from marco_dag.tasks.protocol import Verdict

_LOG = logging.getLogger(__name__)
_CALL, _VERDICT, _END = "call", "verdict", "end"
_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class TreeRecords:
    """What a journal holds of one tree."""

    calls: dict[str, Sequence[Completion]] = field(default_factory=dict)
    """Completions by the key of the ask that they answer."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """Verdicts by the node id of the answer."""


@dataclass(frozen=True, slots=True)
class TreeEnd:
    """How a tree came out."""

    correct: int
    wrong: int
    tokens: int
    seconds: float
    stop_reason: str


class Journal:
    """One open journal. One process appends; others may read along (`read_records`)."""

    def __init__(self, path: Path) -> None:
        """Open or create it, read what is whole, and be ready to append.

        A torn last record is cut off and a damaged one left out, each with a warning that names file and line; the
        calls of both are made again. SearchError where the file cannot be opened.
        """
        self.path = path
        self._recalled: dict[str, TreeRecords] = {}
        self._ends: dict[str, TreeEnd] = {}
        self._dirty = threading.Event()
        self._open = threading.Lock()
        """Held by whoever must not find the file closed under it."""
        self._broken: OSError | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._size = self._cut_torn_end(path.read_bytes())
        except OSError as error:
            raise refused(self.path, error) from error
        for tree_id, record in read_records(path):
            self._remember(tree_id, record)

    def recall(self, tree_id: str) -> TreeRecords:
        """What was appended of a tree before this journal was opened; handed over and forgotten."""
        return self._recalled.pop(tree_id, None) or TreeRecords()

    def ended(self, tree_id: str) -> TreeEnd | None:
        """How a tree came out, if it did before this journal was opened."""
        return self._ends.get(tree_id)

    def append_call(self, tree_id: str, key: str, completions: Sequence[Completion]) -> None:
        """Write down what an ask was answered; SearchError, with nothing half-written, where the disk refuses."""
        rows = [[c.text, c.tokens, c.finish_reason, c.stop, c.confidence] for c in completions]
        self._append([_CALL, tree_id, key, rows])

    def append_verdict(self, tree_id: str, answer_id: str, verdict: Verdict) -> None:
        """Write down what the check of an answer found; SearchError as `append_call`."""
        row = [verdict.outcome, verdict.reason, verdict.answer]
        self._append([_VERDICT, tree_id, answer_id, row])

    def append_end(self, tree_id: str, end: TreeEnd) -> None:
        """Write down how a tree came out; SearchError as `append_call`."""
        row = [end.correct, end.wrong, end.tokens, end.seconds, end.stop_reason]
        self._append([_END, tree_id, row])

    def sync(self) -> None:
        """Make durable what was appended since the last time; for any thread. The next append raises a failure."""
        if not self._dirty.is_set():
            return
        self._dirty.clear()
        with self._open:
            if self._file < 0:
                return
            try:
                os.fsync(self._file)
            except OSError as error:
                self._broken = error

    def close(self) -> None:
        """Sync and close; nothing can be appended any more."""
        self.sync()
        with self._open:
            os.close(self._file)
            self._file = -1

    def discard(self) -> None:
        """Close and delete: what it holds is kept elsewhere."""
        self._dirty.clear()
        self.close()
        self.path.unlink()

    def _append(self, record: Sequence[object]) -> None:
        line = _line(record)
        try:
            if self._broken is not None:
                raise self._broken
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise refused(self.path, error) from error
        self._size += len(line)
        self._dirty.set()

    def _remember(self, tree_id: str, record: "Record") -> None:
        if isinstance(record, TreeEnd):
            self._ends[tree_id] = record
            return
        records = self._recalled.setdefault(tree_id, TreeRecords())
        key, value = record
        if isinstance(value, Verdict):
            records.verdicts[key] = value
        else:
            records.calls[key] = value

    def _cut_torn_end(self, data: bytes) -> int:
        """The size of the file once a last line without its end is gone."""
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            _LOG.warning("%s: the last record is torn and was cut off; its call is made again", self.path)
            os.ftruncate(self._file, whole)
        return whole


Record: TypeAlias = "TreeEnd | tuple[str, Verdict] | tuple[str, Sequence[Completion]]"
"""What a line says of a tree: its end, the verdict on an answer by node id, or completions by the ask's key."""


def read_records(path: Path) -> Iterator[tuple[str, Record]]:
    """Tree id and record of every whole line, in the order of the appends; a damaged one is left out, with a warning.

    For any process, also while another appends: a last line without its end is not looked at.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            record = _parse(line)
            if record is None:
                _LOG.warning("%s, line %d: damaged and left out; its call is made again", path, number)
            else:
                yield record[1], _read(record)


def refused(path: Path, error: OSError) -> SearchError:
    """What a search says where the disk refuses, above all because it is full."""
    return SearchError(
        f"{path}: cannot be written: {error.strerror or error}. Nothing that was answered is lost: "
        "make room (or mend the disk) and run the search again; it goes on from here."
    )


def _line(record: Sequence[object]) -> bytes:
    text = _encode(record).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> list[Any] | None:
    """The record of a line; None where the checksum does not fit."""
    text = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(text):
        return None
    record: list[Any] = json.loads(text)
    return record


def _read(record: list[Any]) -> Record:
    if record[0] == _END:
        return TreeEnd(*record[2])
    key, value = record[2:]
    if record[0] == _VERDICT:
        return key, Verdict(*value)
    return key, [Completion(*row) for row in value]
