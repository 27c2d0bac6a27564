"""A sharded search as a process of its own, connected to the cluster that RAY_ADDRESS names.

`python -m tests.cluster.spread_search FOLDER TASK CONFIG`: the seeds lie in FOLDER, the task and the cluster's
configuration are JSON. Leaves with the error's class and words where the search refuses.
"""

import sys
from pathlib import Path

import polars as pl

from marco_dag.cluster import ClusterConfig, SearchTask, search_on_cluster
from marco_dag.errors import MarcoError
from marco_dag.search import SearchWatch

SEEDS = "all-seeds.parquet"


def calls_of(place: Path) -> int:
    """How many calls the search in a folder has had answered; none where it has not begun, or is over."""
    try:
        return SearchWatch(place).look().so_far.calls
    except FileNotFoundError:
        return 0


def main(folder: str, task: str, config: str) -> None:
    """See the module."""
    try:
        search_on_cluster(
            Path(folder),
            pl.read_parquet(Path(folder) / SEEDS),
            SearchTask.model_validate_json(task),
            ClusterConfig.model_validate_json(config),
        )
    except MarcoError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
