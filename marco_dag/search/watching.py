"""What a search under way has done so far, for whoever looks at its folder: any process, at any time, in nobody's way.

Reads the finished blocks and follows the journals (`marco_dag.search.journal`); changes nothing.
"""

from dataclasses import dataclass, field
from pathlib import Path

from marco_dag.search.blocks import SearchTotals, finished_blocks, journal_file, totals_of, trees_file
from marco_dag.search.claim import holder, is_held
from marco_dag.search.header import read_header
from marco_dag.search.records import JournalReader, Record, TreeEnd
from marco_dag.tasks.protocol import Verdict


@dataclass(frozen=True, slots=True)
class SearchView:
    """One look at a search."""

    trees: int
    """How many there will be."""
    so_far: SearchTotals
    """What was done until now, that of trees under way included in tokens and calls."""
    running: bool
    """Whether a process is at it."""
    holder: str
    """Which process is, or was last, where and since when."""


class SearchWatch:
    """Looks at one search again and again; each time it reads only what is new."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds the search's header (`marco_dag.search.driver.UNDER_WAY`)."""
        self._folder = folder
        self._finished: dict[int, SearchTotals] = {}
        self._growing: dict[int, _Block] = {}

    def look(self) -> SearchView:
        """What is there now. FileNotFoundError where the search is over, SearchError where its header is damaged."""
        header = read_header(self._folder)
        for block in finished_blocks(self._folder):
            if block not in self._finished:
                self._finished[block] = totals_of([trees_file(self._folder, block)])
                self._growing.pop(block, None)
        for journal in self._folder.glob("block-*.journal"):
            number = int(journal.stem.removeprefix("block-"))
            if number not in self._finished:
                self._growing.setdefault(number, _Block(JournalReader(journal_file(self._folder, number)))).follow()
        totals = [*self._finished.values(), *(block.totals for block in self._growing.values())]
        return SearchView(
            header.trees, sum(totals, start=SearchTotals()), is_held(self._folder), holder(self._folder).rstrip(",")
        )


@dataclass(slots=True)
class _Block:
    """A block whose trees are growing."""

    reader: JournalReader
    totals: SearchTotals = field(default_factory=SearchTotals)

    def follow(self) -> None:
        """Count what was appended since the last time."""
        try:
            for _, record in self.reader.read():
                self.totals += _count(record)
        except FileNotFoundError:  # finished in this very moment
            return


def _count(record: Record) -> SearchTotals:
    if isinstance(record, TreeEnd):
        return SearchTotals(done=1, solved=record.correct > 0, failed=record.failed)
    _, answered = record
    if isinstance(answered, Verdict):
        return SearchTotals()
    return SearchTotals(tokens=sum(completion.tokens for completion in answered), calls=1)
