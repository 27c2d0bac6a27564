"""The journal of one block of trees: an append-only file of checked lines (`marco_dag.search.records`).

Appends go straight to the file, so a process that is killed loses nothing that it appended; a line that is
torn or damaged is found by its checksum and left out. The journal knows completions, verdicts and ends of trees, and
nothing of the search that asked for them.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from marco_dag.engines.protocol import Completion
from marco_dag.search.durable import refused
from marco_dag.search.records import JournalReader, Record, TreeEnd, call_line, end_line, verdict_line
from marco_dag.tasks.protocol import Verdict

_LOG = logging.getLogger(__name__)
_DAMAGED_NAMED = 10


@dataclass(frozen=True, slots=True)
class TreeRecords:
    """What a journal holds of one tree."""

    calls: dict[str, Sequence[Completion]] = field(default_factory=dict)
    """Completions by the key of the ask that they answer."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """Verdicts by the node id of the answer."""


class Journal:
    """One open journal. One process appends; others may read along (`records.JournalReader`)."""

    def __init__(self, path: Path) -> None:
        """Open or create it, read what is whole, and be ready to append.

        A torn last record is cut off, a damaged one or one of another version left out, with a warning that names file
        and line; their calls are made again. SearchError where the file cannot be opened.
        """
        self.path = path
        self.calls = 0
        """Calls that it holds."""
        self._recalled: dict[str, TreeRecords] = {}
        self._ends: dict[str, TreeEnd] = {}
        self._dirty = threading.Event()
        self._open = threading.Lock()
        """Held by whoever must not find the file closed under it."""
        self._broken: OSError | None = None
        self._file = -1
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._size = self._read_whole_records()
        except OSError as error:
            if self._file >= 0:
                os.close(self._file)
            raise refused(self.path, error) from error

    def recall(self, tree_id: str) -> TreeRecords:
        """What was appended of a tree before this journal was opened; handed over and forgotten."""
        return self._recalled.pop(tree_id, None) or TreeRecords()

    def ended(self, tree_id: str) -> TreeEnd | None:
        """How a tree came out, if it did before this journal was opened."""
        return self._ends.get(tree_id)

    def append_call(self, tree_id: str, key: str, completions: Sequence[Completion]) -> None:
        """Write down what an ask was answered; SearchError, with nothing half-written, where the disk refuses."""
        self._append(call_line(tree_id, key, completions))
        self.calls += 1

    def append_verdict(self, tree_id: str, answer_id: str, verdict: Verdict) -> None:
        """Write down what the check of an answer found; SearchError as `append_call`."""
        self._append(verdict_line(tree_id, answer_id, verdict))

    def append_end(self, tree_id: str, end: TreeEnd) -> None:
        """Write down how a tree came out; SearchError as `append_call`."""
        self._append(end_line(tree_id, end))

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

    def _append(self, line: bytes) -> None:
        try:
            if self._broken is not None:
                raise self._broken
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            self._broken = error  # behind a piece that could not be cut off, a later line would be lost with it
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise refused(self.path, error) from error
        self._size += len(line)
        if not self._dirty.is_set():
            self._dirty.set()

    def _read_whole_records(self) -> int:
        """Remember what the file says; its size once a last line without its end is gone."""
        reader = JournalReader(self.path)
        for tree_id, record in reader.read():
            self._remember(tree_id, record)
        if reader.damaged:
            named = ", ".join(str(line) for line in reader.damaged[:_DAMAGED_NAMED])
            more = f" and {len(reader.damaged) - _DAMAGED_NAMED} more" if len(reader.damaged) > _DAMAGED_NAMED else ""
            _LOG.warning("%s, line %s%s: damaged and left out; what it answered is asked again", self.path, named, more)
        if os.fstat(self._file).st_size > reader.offset:
            line = reader.lines + 1
            _LOG.warning("%s, line %d: torn and cut off; what it answered is asked again", self.path, line)
            os.ftruncate(self._file, reader.offset)
        return reader.offset

    def _remember(self, tree_id: str, record: Record) -> None:
        if isinstance(record, TreeEnd):
            self._ends[tree_id] = record
            return
        records = self._recalled.setdefault(tree_id, TreeRecords())
        key, value = record
        if isinstance(value, Verdict):
            records.verdicts[key] = value
        else:
            self.calls += key not in records.calls
            records.calls[key] = value
