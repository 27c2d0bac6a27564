"""One progress bar for all long work: done/total, rate, ETA.

Bars write to standard error; where that is no terminal (CI, a daemon) a line every few seconds takes their place.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 5.0
_LINE = "{desc}: {n_fmt}/{total_fmt}{unit}, {rate_fmt}, {elapsed}<{remaining}{postfix}\n"


class Progress:
    """A running bar."""

    def __init__(self, bar: "tqdm[NoReturn]") -> None:
        self._bar = bar

    def advance(self, steps: float = 1, **fields: object) -> None:
        """`steps` more are done; `fields` (say, loss="1.23") are shown behind the rate."""
        if fields:
            self._bar.set_postfix({name: str(value) for name, value in fields.items()}, refresh=False)
        self._bar.update(steps)


@contextmanager
def progress(title: str, total: float | None, unit: str) -> Iterator[Progress]:
    """A bar named `title` over `total` `unit`s (None: unknown) for the length of the `with` block."""
    terminal = sys.stderr.isatty()
    with tqdm(
        total=total,
        desc=title,
        unit=f" {unit}",
        dynamic_ncols=terminal,
        mininterval=0.1 if terminal else _SECONDS_BETWEEN_LINES,
        bar_format=None
        if terminal
        else "{desc}: {n_fmt}/{total_fmt} {unit}, {rate_fmt}, {elapsed}<{remaining} {postfix}\n",
    ) as bar:
        yield Progress(bar)
