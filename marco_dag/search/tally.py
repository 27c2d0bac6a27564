"""The progress bar of a search: trees done, solved, failed; tokens a second and live sequences of this run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from marco_dag.errors import EngineError
from marco_dag.progress import Progress, progress
from marco_dag.search.strategies import TreeSearch

_SECONDS_BETWEEN_LOOKS = 0.5


class Tally:
    """Counts what a search has done and shows it."""

    def __init__(self, bar: Progress, solved: int, failed: int) -> None:
        self._bar = bar
        self.solved, self.failed = solved, failed
        self.first_failure: EngineError | None = None
        """Why a tree of this run failed."""
        self._tokens = 0
        self._start = self._looked = time.perf_counter()

    def sampled(self, tokens: int, live: int) -> None:
        """A call brought `tokens`; `live` sequences are in flight."""
        self._tokens += tokens
        now = time.perf_counter()
        if now - self._looked >= _SECONDS_BETWEEN_LOOKS:
            self._looked = now
            self.show(live)

    def tree_done(self, search: TreeSearch) -> None:
        """A tree has ended."""
        self.solved += search.correct > 0
        if search.failure is not None:
            self.failed += 1
            self.first_failure = self.first_failure or search.failure
        self._bar.advance()

    def show(self, live: int) -> None:
        """Bring the bar up to date."""
        rate = self._tokens / (time.perf_counter() - self._start)
        self._bar.show(solved=self.solved, failed=self.failed, tokens_per_s=f"{rate:.0f}", live=live)


@contextmanager
def tally_of(trees: int, *, done: int, solved: int, failed: int) -> Iterator[Tally]:
    """A bar over `trees`, of which some were `done` by an earlier run."""
    with progress("search", trees, "trees", done=done) as bar:
        tally = Tally(bar, solved, failed)
        yield tally
        tally.show(live=0)
