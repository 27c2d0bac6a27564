"""The blocks of a search: trees that are put away together, a journal while they grow, two Parquet files after that.

The trees' file of a block comes last: without it the block counts as unfinished, and its journal is still there.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from marco_dag.errors import SearchError
from marco_dag.schemas import TABLES
from marco_dag.search.durable import refused, written_whole
from marco_dag.search.tables import Forest

BLOCK_TREES = 64
"""Trees that are put away together."""

_TREES_FILE = re.compile(r"block-(\d{6,})-trees\.parquet")
_CALLS = "calls"
_ROW_GROUP = 16_384
"""Rows of the final tables that are held in memory at a time."""


@dataclass(frozen=True, slots=True)
class SearchTotals:
    """What trees have come to."""

    done: int = 0
    """Trees."""
    solved: int = 0
    """Trees with a right answer."""
    failed: int = 0
    """Trees that an engine ended."""
    tokens: int = 0
    """Sampled tokens."""
    calls: int = 0
    """Calls to the engines."""

    def __add__(self, other: "SearchTotals") -> "SearchTotals":
        return SearchTotals(
            self.done + other.done,
            self.solved + other.solved,
            self.failed + other.failed,
            self.tokens + other.tokens,
            self.calls + other.calls,
        )


def journal_file(folder: Path, block: int) -> Path:
    """Where a block's journal lies while the block is not finished."""
    return folder / f"block-{block:06}.journal"


def thoughts_file(folder: Path, block: int) -> Path:
    """Where a finished block's thoughts lie."""
    return folder / f"block-{block:06}-thoughts.parquet"


def trees_file(folder: Path, block: int) -> Path:
    """Where a finished block's trees lie."""
    return folder / f"block-{block:06}-trees.parquet"


def finished_blocks(folder: Path) -> list[int]:
    """The blocks that are put away, in order; FileNotFoundError where the folder is gone."""
    found = (_TREES_FILE.fullmatch(file.name) for file in folder.iterdir())
    return sorted(int(name[1]) for name in found if name)


def put_away(folder: Path, block: int, forest: Forest, calls: int) -> None:
    """Write the tables of a finished block, durably; SearchError where the disk refuses."""
    with _writing(thoughts_file(folder, block)) as file:
        forest.thoughts.write_parquet(file)
    with _writing(trees_file(folder, block)) as file:
        forest.trees.write_parquet(file, metadata={_CALLS: str(calls)})


def check(folder: Path, block: int) -> None:
    """Pass where a finished block's files can be read; SearchError names the one that cannot and what to do."""
    for file, table in ((thoughts_file(folder, block), "thoughts"), (trees_file(folder, block), "trees")):
        with _reading(file, block):
            if pl.read_parquet_schema(file) != TABLES[table]:
                raise ValueError(f"its columns are not those of the table {table}")


def totals_of(files: list[Path]) -> SearchTotals:
    """What some trees' files hold; PolarsError or OSError where one cannot be read."""
    if not files:
        return SearchTotals()
    counts = pl.scan_parquet(files).select(
        pl.len(),
        (pl.col("correct") > 0).sum(),
        pl.col("stop_reason").str.starts_with("failed").sum().alias("failed"),
        pl.col("tokens").sum(),
    )
    calls = sum(int(pl.read_parquet_metadata(file).get(_CALLS, 0)) for file in files)
    done, solved, failed, tokens = counts.collect().row(0)
    return SearchTotals(done, solved, failed, tokens, calls)


def join(blocks: list[Path], target: Path, table: str) -> None:
    """The files of all blocks of one table as one file, which is there as a whole or not at all.

    Rows only pass through memory. SearchError where a block cannot be read or the disk refuses.
    """
    frame = pl.scan_parquet(blocks) if blocks else TABLES[table].to_frame().lazy()
    try:
        with _writing(target) as file:
            frame.sink_parquet(file, engine="streaming", maintain_order=True, row_group_size=_ROW_GROUP)
    except SearchError:
        for number, block in enumerate(blocks):
            with _reading(block, number):
                pl.read_parquet(block)
        raise


@contextmanager
def _writing(target: Path) -> Iterator[Path]:
    try:
        with written_whole(target) as file:
            yield file
    except (OSError, PolarsError, PanicException) as error:
        raise refused(target, error) from error


@contextmanager
def _reading(file: Path, block: int) -> Iterator[None]:
    try:
        yield
    except (OSError, PolarsError, PanicException, ValueError) as error:
        trees = trees_file(file.parent, block).name
        raise SearchError(
            f"{file}: damaged: {error}. Put it back from a copy; or remove {trees} in this folder and run the search "
            "again: the trees of this block are then grown anew, and no others."
        ) from error
