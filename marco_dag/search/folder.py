"""Where a search keeps itself while it runs: blocks of trees, a journal each while they grow, Parquet files after that.

One process at a time may hold it. It knows blocks and tables; what a journal holds is `marco_dag.search.journal`'s
business, and what decides a tree is its caller's.
"""

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl
from filelock import FileLock, Timeout

from marco_dag.errors import SearchError
from marco_dag.identity import JsonValue
from marco_dag.schemas import TABLES
from marco_dag.search.journal import Journal, refused
from marco_dag.search.tables import Forest

BLOCK_TREES = 64
"""Trees that are put away together."""

HEADER = "search.json"
"""What the search is, for whoever goes on with it or watches it."""

_LOCK = "lock"
_HOLDER = "holder"
_SECONDS_BETWEEN_SYNCS = 0.01
_ROW_GROUP = 16_384
"""Rows of the final tables that are held in memory at a time."""


@dataclass(frozen=True, slots=True)
class SearchTotals:
    """What finished blocks hold."""

    done: int
    solved: int
    failed: int
    tokens: int


class SearchFolder:
    """The folder of one search, for the length of a `with` block."""

    def __init__(self, path: Path, key: Mapping[str, JsonValue], trees: int) -> None:
        """`key` is all that decides the tables, `trees` how many there will be."""
        self._path = path
        self._key = dict(key)
        self._trees = trees
        self._lock = FileLock(path / _LOCK)
        self._journals: dict[int, Journal] = {}
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._syncing = threading.Thread(target=self._sync_all_the_time, name="journal-sync", daemon=True)

    def __enter__(self) -> "SearchFolder":
        """SearchError where another process holds the folder or a search of other inputs lies in it."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise SearchError(
                f"{self._path}: {self._holder()} is searching here. Wait for it or end it; one search, one process."
            ) from None
        except OSError as error:
            raise refused(self._path, error) from error
        try:
            self._read_or_write_header()
        except BaseException:
            self._lock.release()
            raise
        self._syncing.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sync and close what is open, and let others in."""
        self._over.set()
        self._syncing.join()
        for journal in self._journals.values():
            journal.close()
        self._lock.release()

    @property
    def blocks(self) -> int:
        """How many blocks the trees make."""
        return -(-self._trees // BLOCK_TREES)

    def trees_of(self, block: int) -> range:
        """The trees of a block, by their place in the search."""
        return range(block * BLOCK_TREES, min((block + 1) * BLOCK_TREES, self._trees))

    def is_finished(self, block: int) -> bool:
        """Whether the block's trees are put away."""
        return trees_file(self._path, block).exists()

    def open_journal(self, block: int) -> Journal:
        """The journal of a block that is not finished; closed by `finish` or with the folder."""
        journal = Journal(journal_file(self._path, block))
        with self._guard:
            self._journals[block] = journal
        return journal

    def finish(self, block: int, forest: Forest) -> None:
        """Put the trees of a block away for good, and drop its journal; for any thread.

        The trees' file comes last: without it the block counts as unfinished, and the journal is still there.
        """
        try:
            _write_durably(forest.thoughts, thoughts_file(self._path, block))
            _write_durably(forest.trees, trees_file(self._path, block))
        except OSError as error:
            raise refused(self._path, error) from error
        with self._guard:
            journal = self._journals.pop(block)
        journal.discard()

    def totals(self) -> SearchTotals:
        """What the finished blocks hold."""
        return totals_of(self._path)

    def assemble(self, trees: Path, thoughts: Path) -> None:
        """Write the two tables, blocks in order; `trees` comes last, so where it stands both are whole."""
        try:
            _join([thoughts_file(self._path, block) for block in range(self.blocks)], thoughts, "thoughts")
            _join([trees_file(self._path, block) for block in range(self.blocks)], trees, "trees")
        except OSError as error:
            raise refused(self._path, error) from error

    def clear(self) -> None:
        """Remove the folder. Whoever comes next finds the tables made, or begins anew."""
        with self._guard:
            while self._journals:
                self._journals.popitem()[1].discard()
        shutil.rmtree(self._path)

    def _read_or_write_header(self) -> None:
        file = self._path / HEADER
        (self._path / _HOLDER).write_text(f"process {os.getpid()} on {socket.gethostname()}, since {time.ctime()},")
        if not file.exists():
            _write_text_durably(json.dumps({"trees": self._trees, "key": self._key}, indent=2), file)
            return
        before = json.loads(file.read_text())["key"]
        now = json.loads(json.dumps(self._key))
        if differing := sorted(name for name in {*before, *now} if before.get(name) != now.get(name)):
            raise SearchError(
                f"{self._path}: holds an unfinished search of other {', '.join(differing)}. "
                "Finish it as it was begun, or remove the folder to begin anew."
            )

    def _holder(self) -> str:
        with contextlib.suppress(OSError):
            return (self._path / _HOLDER).read_text()
        return "another process"

    def _sync_all_the_time(self) -> None:
        """Group commit: each round makes durable whatever was appended since the last, as fast as the disk allows."""
        while not self._over.wait(_SECONDS_BETWEEN_SYNCS):
            with self._guard:
                journals = list(self._journals.values())
            for journal in journals:
                journal.sync()


def read_header(path: Path) -> dict[str, Any]:
    """The header of the search in a folder: `trees`, how many there will be, and `key`."""
    header: dict[str, Any] = json.loads((path / HEADER).read_text())
    return header


def journal_file(path: Path, block: int) -> Path:
    """Where a block's journal lies while the block is not finished."""
    return path / f"block-{block:06}.journal"


def thoughts_file(path: Path, block: int) -> Path:
    """Where a finished block's thoughts lie."""
    return path / f"block-{block:06}-thoughts.parquet"


def trees_file(path: Path, block: int) -> Path:
    """Where a finished block's trees lie."""
    return path / f"block-{block:06}-trees.parquet"


def totals_of(path: Path) -> SearchTotals:
    """What the finished blocks of the search in a folder hold; for any process."""
    files = sorted(path.glob("block-*-trees.parquet"))
    if not files:
        return SearchTotals(0, 0, 0, 0)
    failed = pl.col("stop_reason").str.starts_with("failed")
    counts = pl.scan_parquet(files).select(
        pl.len().alias("done"), (pl.col("correct") > 0).sum().alias("solved"), failed.sum(), pl.col("tokens").sum()
    )
    return SearchTotals(*counts.collect().row(0))


def _join(blocks: list[Path], target: Path, table: str) -> None:
    """The blocks of one table as one file, which is there as a whole or not at all; rows only pass through memory."""
    temporary = target.with_suffix(".tmp")
    frame = pl.scan_parquet(blocks) if blocks else TABLES[table].to_frame().lazy()
    frame.sink_parquet(temporary, engine="streaming", maintain_order=True, row_group_size=_ROW_GROUP)
    _settle(temporary, target)


def _write_durably(frame: pl.DataFrame, target: Path) -> None:
    temporary = target.with_suffix(".tmp")
    frame.write_parquet(temporary)
    _settle(temporary, target)


def _write_text_durably(text: str, target: Path) -> None:
    temporary = target.with_suffix(".tmp")
    temporary.write_text(text)
    _settle(temporary, target)


def _settle(temporary: Path, target: Path) -> None:
    """Give a finished file its name, such that after a power cut it is there as a whole or not at all."""
    _sync(temporary)
    temporary.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
