"""Where a search keeps itself while it runs, block after block (`marco_dag.search.blocks`).

One process at a time may hold it. What a journal holds is `marco_dag.search.journal`'s business, and what decides a
tree is its caller's.
"""

import json
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from marco_dag.errors import SearchError
from marco_dag.identity import JsonValue
from marco_dag.search import blocks
from marco_dag.search.blocks import BLOCK_TREES, SearchTotals, journal_file, thoughts_file, totals_of, trees_file
from marco_dag.search.claim import Claim
from marco_dag.search.durable import TEMPORARY, refused
from marco_dag.search.header import HEADER, Header, read_header, write_header
from marco_dag.search.journal import Journal
from marco_dag.search.tables import Forest

_SECONDS_BETWEEN_SYNCS = 0.01


class SearchFolder:
    """The folder of one search, for the length of a `with` block."""

    def __init__(self, path: Path, key: Mapping[str, JsonValue], trees: int) -> None:
        """`key` is all that decides the tables, `trees` how many there will be."""
        self._path = path
        self._cleared = path.with_name(f"{path.name}.cleared")
        self._header = Header(trees, json.loads(json.dumps(dict(key))))
        self._claim = Claim(path)
        self._journals: dict[int, Journal] = {}
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._syncing = threading.Thread(target=self._sync_all_the_time, name="journal-sync", daemon=True)

    def __enter__(self) -> "SearchFolder":
        """SearchError where another process holds the folder, a search of other inputs lies in it, or it is damaged."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._claim.take()
        except OSError as error:
            raise refused(self._path, error) from error
        try:
            self._sweep()
            self._agree_on_header()
            for block in blocks.finished_blocks(self._path):
                blocks.check(self._path, block)
        except OSError as error:
            self._claim.release()
            raise refused(self._path, error) from error
        except BaseException:
            self._claim.release()
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
        self._claim.release()

    @property
    def blocks(self) -> int:
        """How many blocks the trees make."""
        return -(-self._header.trees // BLOCK_TREES)

    def trees_of(self, block: int) -> range:
        """The trees of a block, by their place in the search."""
        return range(block * BLOCK_TREES, min((block + 1) * BLOCK_TREES, self._header.trees))

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
        """Put the trees of a block away for good, and drop its journal; for any thread."""
        blocks.put_away(self._path, block, forest, self._journals[block].calls)
        with self._guard:
            journal = self._journals.pop(block)
        journal.discard()

    def totals(self) -> SearchTotals:
        """What the finished blocks hold."""
        return totals_of([trees_file(self._path, block) for block in blocks.finished_blocks(self._path)])

    def assemble(self, trees: Path, thoughts: Path) -> None:
        """Write the two tables, blocks in order; `trees` comes last, so where it stands both are whole."""
        blocks.join([thoughts_file(self._path, block) for block in range(self.blocks)], thoughts, "thoughts")
        blocks.join([trees_file(self._path, block) for block in range(self.blocks)], trees, "trees")

    def clear(self) -> None:
        """Remove the folder, in one step. Whoever comes next finds the tables made, or begins anew."""
        self._path.rename(self._cleared)
        shutil.rmtree(self._cleared, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a crash left that nobody needs."""
        shutil.rmtree(self._cleared, ignore_errors=True)
        for file in self._path.glob(f"*{TEMPORARY}"):
            file.unlink()

    def _agree_on_header(self) -> None:
        try:
            before = read_header(self._path)
        except FileNotFoundError:
            if any(self._path.glob("block-*")):
                raise SearchError(
                    f"{self._path}: holds blocks of a search, but not the {HEADER} that says of which. Put it back "
                    "from a copy, or remove the folder to begin anew."
                ) from None
            write_header(self._path, self._header)
            return
        if differing := self._header.differs_in(before):
            raise SearchError(
                f"{self._path}: holds an unfinished search of other {', '.join(differing)}. "
                "Finish it as it was begun, or remove the folder to begin anew."
            )

    def _sync_all_the_time(self) -> None:
        """Group commit: each round makes durable whatever was appended since the last, as fast as the disk allows."""
        while not self._over.wait(_SECONDS_BETWEEN_SYNCS):
            with self._guard:
                journals = list(self._journals.values())
            for journal in journals:
                journal.sync()
