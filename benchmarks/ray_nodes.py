"""A search batch on two Ray nodes of one core each, beside one such node: from the call to the joined tables."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args
from unittest.mock import patch

import polars as pl

from benchmarks.figure import Figure
from benchmarks.ray_cluster import RayCluster
from benchmarks.search_load import PROFILE, find_models
from marco_dag.cluster import ClusterConfig, SearchTask, search_on_cluster
from marco_dag.engines import Role
from marco_dag.seeds import generated_seeds

_TREES_PER_TASK = 200
_SHARD_TREES = 100
_REPETITIONS = 3


def measure() -> list[Figure]:
    """Search 800 trees on one node, then on two, three times each; workers start anew each time."""
    seeds = generated_seeds(
        PROFILE.seeds.model_copy(update={"generated_per_task": _TREES_PER_TASK}), seed=0, batch="generated"
    )
    models = find_models().resolve()
    roles: tuple[Role, ...] = get_args(Role)
    with tempfile.TemporaryDirectory() as name, RayCluster() as cluster, patch.dict(os.environ, cluster.environment):
        task = SearchTask(
            checkpoints={role: str(models / role) for role in roles},
            engines={role: PROFILE.engine_of(role) for role in roles},
            search=PROFILE.search,
            seed=0,
            logs=Path(name) / "logs",
        )
        cluster.add_node()
        one = _seconds(seeds, task)
        cluster.add_node()
        two = _seconds(seeds, task)
    return [
        Figure("ray.one_node_seconds", "s", one),
        Figure("ray.two_nodes_seconds", "s", two),
        Figure("ray.two_node_speedup", "ratio", [slow / fast for slow, fast in zip(one, two, strict=True)]),
    ]


def _seconds(seeds: pl.DataFrame, task: SearchTask) -> Sequence[float]:
    taken = []
    for _ in range(_REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            search_on_cluster(Path(folder), seeds, task, ClusterConfig(shard_trees=_SHARD_TREES, gpus=0))
            taken.append(time.perf_counter() - start)
    return taken
