"""A search in shards: pieces of a batch that are searched apart, on other machines say, and joined to the same tables.

A tree knows nothing of the others (`marco_dag.search.driver`), so the tables are those of one search over all seeds. A
shard is a folder with its seeds in it; it is a search's folder in all else, so that a killed one goes on where it was.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from marco_dag.schemas import digest_frame
from marco_dag.search import blocks
from marco_dag.search.driver import THOUGHTS_FILE, TREES_FILE, UNDER_WAY
from marco_dag.search.durable import refused, written_whole
from marco_dag.search.seed_rows import SeedRows
from marco_dag.search.watching import SearchWatch
from marco_dag.tasks import TASKS

SEEDS_FILE = "seeds.parquet"
"""The seeds of a shard, in its folder."""

_SHARDS = "shards"
"""The folder beside the tables that holds the shards until the tables are whole."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some seeds of a batch that follow one another, and the folder that they are searched into."""

    folder: Path

    @property
    def seeds(self) -> pl.DataFrame:
        """The seeds (`schemas.SEED_PROMPTS`)."""
        return pl.read_parquet(self.folder / SEEDS_FILE)

    @property
    def is_searched(self) -> bool:
        """Whether its tables are whole."""
        return (self.folder / TREES_FILE).exists() and not (self.folder / UNDER_WAY).exists()


def cut_into_shards(folder: Path, seeds: pl.DataFrame, trees: int) -> list[Shard]:
    """The shards of `seeds`, of at most `trees` ≥ 1 each, in order, below `folder`; those of an earlier call are kept.

    SearchError where the disk refuses, or a seed cannot be searched.
    """
    SeedRows(seeds, TASKS)
    shards = []
    for piece in seeds.iter_slices(trees):
        shard = Shard(folder / _SHARDS / digest_frame(piece)[:16])
        try:
            shard.folder.mkdir(parents=True, exist_ok=True)
            if not (shard.folder / SEEDS_FILE).exists():
                with written_whole(shard.folder / SEEDS_FILE) as file:
                    piece.write_parquet(file)
        except OSError as error:
            raise refused(shard.folder, error) from error
        shards.append(shard)
    return shards


def join_shards(folder: Path, shards: Sequence[Shard]) -> None:
    """Write the two tables of all seeds into `folder`, from searched shards; SearchError where that cannot be done.

    `trees.parquet` comes last, so where it stands both are whole.
    """
    for name, table in ((THOUGHTS_FILE, "thoughts"), (TREES_FILE, "trees")):
        blocks.join([shard.folder / name for shard in shards], folder / name, table)


def remove_shards(folder: Path) -> None:
    """Remove the shards below `folder`, where there are any."""
    shutil.rmtree(folder / _SHARDS, ignore_errors=True)


class ShardsWatch:
    """Looks at the shards of one search again and again, from any machine that sees their folders."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = shards
        self._watches = {shard: SearchWatch(shard.folder / UNDER_WAY) for shard in shards}
        self._over: dict[Shard, blocks.SearchTotals] = {}

    def look(self) -> blocks.SearchTotals:
        """What all of them have come to by now."""
        return sum((self._look_at(shard) for shard in self._shards), start=blocks.SearchTotals())

    def _look_at(self, shard: Shard) -> blocks.SearchTotals:
        if shard not in self._over and shard.is_searched:
            self._over[shard] = blocks.totals_of([shard.folder / TREES_FILE])
        if shard in self._over:
            return self._over[shard]
        try:
            return self._watches[shard].look().so_far
        except FileNotFoundError:  # not begun, or over in this very moment
            return blocks.SearchTotals()
