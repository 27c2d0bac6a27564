"""A search on all nodes of a cluster at once."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl

from marco_dag.cluster.config import ClusterConfig
from marco_dag.cluster.nodes import connected
from marco_dag.cluster.search_task import SearchTask
from marco_dag.cluster.worker_pool import WorkerPool
from marco_dag.errors import ClusterError
from marco_dag.progress import progress
from marco_dag.search import TREES_FILE, Shard, ShardsWatch, cut_into_shards, join_shards, remove_shards

_SECONDS_TO_SHOW = 120.0
"""How long a shared file system may take to show one machine what another one has written."""


def search_on_cluster(folder: Path, seeds: pl.DataFrame, task: SearchTask, config: ClusterConfig) -> None:
    """`marco_dag.search.search_into` on the nodes of a Ray cluster, all of which see `folder`; the tables are the same.

    Where an earlier call was killed, or a node is lost meanwhile, the shards go on where they were. ClusterError where
    there is no cluster or no room in it; else errors as `search_into`, which here says that all trees failed where
    those of one shard did.
    """
    if not (folder / TREES_FILE).exists():
        shards = cut_into_shards(folder, seeds, config.shard_trees)
        if left := [shard for shard in shards if not shard.is_searched]:
            with connected(), _bar(shards, seeds.height) as look, closing(WorkerPool(task, config)) as pool:
                pool.search(left, look)
        _wait_until_seen(left)
        join_shards(folder, shards)
    remove_shards(folder)


@contextmanager
def _bar(shards: Sequence[Shard], trees: int) -> Iterator[Callable[[int], None]]:
    """A progress bar over the `trees` of all shards; what to call with the number of workers to bring it up to date."""
    watch = ShardsWatch(shards)
    before = seen = watch.look()
    start = time.perf_counter()
    with progress("search", trees, "trees", done=before.done) as bar:

        def look(workers: int) -> None:
            nonlocal seen
            earlier, seen = seen, watch.look()
            rate = (seen.tokens - before.tokens) / (time.perf_counter() - start)
            bar.advance(seen.done - earlier.done)
            bar.show(solved=seen.solved, failed=seen.failed, tokens_per_s=f"{rate:.0f}", workers=workers)

        yield look


def _wait_until_seen(shards: Sequence[Shard]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_SHOW
    while hidden := [shard.folder for shard in shards if not shard.is_searched]:
        if time.monotonic() > deadline:
            raise ClusterError(f"{hidden[0]}: searched, but its tables are not seen here. Is it on a shared disk?")
        time.sleep(0.5)
