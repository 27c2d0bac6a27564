"""`marco watch`: the searches under way, live, from whatever machine sees their folders."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from marco_dag.cli.options import declare_root, storage_of
from marco_dag.cli.output import console, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from marco_dag.search import SearchView, SearchWatch
    from marco_dag.storage import Storage

HELP = "Watch the searches under way: trees done and solved, tokens a second, time left."

_WINDOW_S = 60.0
"""Rates are those of the last minute."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--once", action="store_true", help="look once, with the rates of one interval, and end")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="between two looks (default: 1)")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object a search and look instead of a table"
    )
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Look until no search is left, or Ctrl-C."""
    from marco_dag.errors import SearchError

    searches = Searches(storage_of(chosen))
    if not searches.look():
        raise SearchError(f"no search is under way below {searches.storage.artifacts}")
    looks = _looks(searches, chosen.every, once=chosen.once)
    if chosen.json:
        for rows in looks:
            for row in rows:
                print_json(row, indent=None)
            sys.stdout.flush()
    elif chosen.once:
        console().print(*(_table(rows) for rows in looks))
    else:
        from rich.live import Live

        with Live(console=console(), auto_refresh=False) as live:
            for rows in looks:
                live.update(_table(rows), refresh=True)


def _looks(searches: "Searches", every: float, *, once: bool) -> Iterator[list[dict[str, object]]]:
    """A look each `every` seconds while there is something to see; the first look has no rates and is not shown."""
    while True:
        time.sleep(every)
        if not (rows := searches.look()):
            return
        yield rows
        if once:
            return


@dataclass
class _Followed:
    """One search, and what was seen of it within the last minute."""

    watch: "SearchWatch"
    seen: list[tuple[float, "SearchView"]] = field(default_factory=list)


class Searches:
    """All searches under way below one storage root."""

    def __init__(self, storage: "Storage", clock: Callable[[], float] = time.monotonic) -> None:
        self.storage = storage
        self._clock = clock
        self._followed: dict[Path, _Followed] = {}

    def look(self) -> list[dict[str, object]]:
        """One row a search, by its place below the artifacts."""
        from marco_dag.search import SearchWatch
        from marco_dag.search.header import HEADER

        rows = []
        for header in sorted(self.storage.artifacts.glob(f"*/*.partial/**/{HEADER}")):
            followed = self._followed.setdefault(header.parent, _Followed(SearchWatch(header.parent)))
            try:
                view = followed.watch.look()
            except FileNotFoundError:  # over in this very moment
                continue
            now = self._clock()
            followed.seen = [(then, old) for then, old in followed.seen if now - then <= _WINDOW_S] + [(now, view)]
            rows.append({"search": str(header.parent.relative_to(self.storage.artifacts)), **_figures(followed.seen)})
        return rows


def _figures(seen: "list[tuple[float, SearchView]]") -> dict[str, object]:
    (first_time, first), (last_time, last) = seen[0], seen[-1]
    seconds = last_time - first_time
    rate = (last.so_far.tokens - first.so_far.tokens) / seconds if seconds else 0.0
    trees_rate = (last.so_far.done - first.so_far.done) / seconds if seconds else 0.0
    left = last.trees - last.so_far.done
    return {
        "trees": last.trees,
        "done": last.so_far.done,
        "solved": last.so_far.solved,
        "failed": last.so_far.failed,
        "tokens": last.so_far.tokens,
        "tokens_per_s": round(rate, 1),
        "seconds_left": round(left / trees_rate) if trees_rate else None,
        "running": last.running,
        "holder": last.holder,
    }


def _table(rows: "list[dict[str, object]]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("search", "trees", "solved", "failed", "tokens", "tokens/s", "left", "who"):
        table.add_column(name, justify="left" if name in ("search", "who") else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row)))
    return table


def _cells(row: Mapping[str, object]) -> Iterator[str]:
    yield str(row["search"])
    yield f"{row['done']}/{row['trees']}"
    yield from (str(row[name]) for name in ("solved", "failed"))
    yield f"{row['tokens']:,}"
    yield f"{row['tokens_per_s']:,.0f}"
    left = row["seconds_left"]
    yield "?" if left is None else str(timedelta(seconds=int(str(left))))
    yield str(row["holder"]) if row["running"] else "nobody: run it again to go on"
