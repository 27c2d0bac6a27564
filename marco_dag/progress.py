"""One progress bar for all long work: done/total, rate, ETA.

Bars write to standard error; where that is no terminal (CI, a daemon) a line every few seconds takes their place.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 5.0
_LINE = "{desc}: {n_fmt}/{total_fmt} {unit}, {rate_fmt}, {elapsed}<{remaining} {postfix}\n"


class Progress:
    """A running bar."""

    def __init__(self, bar: "tqdm[NoReturn]") -> None:
        self._bar = bar
        self._refreshed = time.perf_counter()

    def advance(self, steps: float = 1, **fields: object) -> None:
        """`steps` more are done; `fields` (say, loss="1.23") are shown behind the rate."""
        if fields:
            self._set(fields)
        self._bar.update(steps)

    def show(self, **fields: object) -> None:
        """Show `fields` though no step is done: single steps of the work may take minutes."""
        self._set(fields)
        now = time.perf_counter()
        if now - self._refreshed >= self._bar.mininterval:
            self._refreshed = now
            self._bar.refresh()

    def _set(self, fields: dict[str, object]) -> None:
        self._bar.set_postfix({name: str(value) for name, value in fields.items()}, refresh=False)


@contextmanager
def progress(title: str, total: float | None, unit: str, *, done: float = 0) -> Iterator[Progress]:
    """A bar named `title` over `total` `unit`s (None: unknown) for the length of the `with` block.

    `done` of them were done before, and count neither for the rate nor for the ETA.
    """
    terminal = sys.stderr.isatty()
    with tqdm(
        total=total,
        initial=done,
        desc=title,
        unit=f" {unit}",
        dynamic_ncols=terminal,
        mininterval=0.1 if terminal else _SECONDS_BETWEEN_LINES,
        bar_format=None if terminal else _LINE,
    ) as bar:
        yield Progress(bar)
