"""The deployment `ray`, on a real cluster of two nodes: the laptop's tables, clear refusals, no orphans."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest
import yaml
from polars.testing import assert_frame_equal

from benchmarks.ray_cluster import ROOT, RayCluster
from marco_dag.search.driver import UNDER_WAY
from marco_dag.seeds import GENERATED
from marco_dag.storage import Storage
from tests.assets.conftest import TINY, House
from tests.assets.running_dagster import wait_for
from tests.cluster.spread_search import calls_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUESTIONS = ["seed_batches", "held_out_questions", "benchmark_questions", "benchmark_quarantine", "base_models"]
SEEDS = ["seed_prompts", "seed_quarantine", "seed_overlaps"]
TREES = ["mcts_trees", "thoughts"]
DONE_WITHIN_S = 240.0
ENDED_WITHIN_S = 10.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster() as cluster:
        cluster.add_node()
        cluster.add_node()
        yield cluster


class OnRay:
    """A storage root and an instance of its own, used from the command line of a machine that can reach the cluster."""

    def __init__(self, cluster: RayCluster, folder: Path, trained: Path, profile: Path = TINY, **said: str) -> None:
        self.storage = Storage(folder / "data")
        shutil.copytree(trained / "artifacts", self.storage.artifacts)
        self.log = folder / "log"
        dagster = folder / "dagster"
        dagster.mkdir()
        (dagster / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        self._environment = cluster.environment | {
            "DAGSTER_HOME": str(dagster),
            "MARCO_DEPLOYMENT": "ray",
            "MARCO_GPUS": "0",
            "MARCO_HOME": str(self.storage.root),
            "MARCO_PROFILE": str(profile),
            **said,
        }

    def start(self, *assets: str, partition: str | None = None, **said: str) -> "subprocess.Popen[bytes]":
        command = [
            str(Path(sys.executable).with_name("dagster")),
            "asset",
            "materialize",
            "-m",
            "marco_dag.definitions",
        ]
        command += ["--select", ",".join(assets), *(["--partition", partition] if partition else [])]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=self._environment | said, cwd=ROOT, stdout=log, stderr=log)

    def materialize(self, *assets: str, partition: str | None = None, **said: str) -> bool:
        """Whether it went through."""
        return not self.start(*assets, partition=partition, **said).wait(DONE_WITHIN_S)

    def get_ready_to_search(self) -> None:
        """Everything before the search, in one process: that steps run on Ray is the search's to show."""
        assert self.materialize(*QUESTIONS, MARCO_DEPLOYMENT="laptop"), self.said()
        assert self.materialize(*SEEDS, partition=GENERATED, MARCO_DEPLOYMENT="laptop"), self.said()

    def said(self) -> str:
        return self.log.read_text()


def test_a_batch_is_searched_as_on_a_laptop(cluster: RayCluster, house: House, trained: Path, tmp_path: Path):
    assert house.run(*QUESTIONS).success
    assert house.run(*SEEDS, *TREES, partition=GENERATED).success
    ray = OnRay(cluster, tmp_path, trained)
    ray.get_ready_to_search()
    assert ray.materialize(*TREES, partition=GENERATED), ray.said()
    for table in ("trees", "thoughts"):
        theirs = pl.read_parquet(ray.storage.table_file(table, GENERATED)).drop("seconds", strict=False)
        assert_frame_equal(theirs, house.table(table, GENERATED).drop("seconds", strict=False))
    assert not list(ray.storage.artifacts.rglob("shards"))


def test_a_step_that_asks_for_a_gpu_nobody_has_fails_and_says_so(cluster: RayCluster, trained: Path, tmp_path: Path):
    ray = OnRay(cluster, tmp_path, trained, MARCO_GPUS="1", MARCO_RAY_WAIT_S="2")
    assert not ray.materialize("base_models")
    assert "base_models: for" in ray.said()
    assert "no node of the Ray cluster had room for its 1 GPUs and 1 cores" in ray.said()
    assert "MARCO_GPUS=0 where there are no GPUs" in ray.said()


def test_a_terminated_search_leaves_nobody_behind_and_goes_on(cluster: RayCluster, trained: Path, tmp_path: Path):
    profile = yaml.safe_load(TINY.read_text())
    profile["seeds"]["generated_per_task"] = 60
    profile["search"]["live_sequences"] = 16  # so that it takes a while
    large = tmp_path / "large.yaml"
    large.write_text(yaml.safe_dump(profile))
    ray = OnRay(cluster, tmp_path, trained, large)
    ray.get_ready_to_search()

    def ours() -> list[psutil.Process]:
        return [process for process in processes(cluster) if runs_ours(process)]

    assert not ours()
    run = ray.start(*TREES, partition=GENERATED)
    place = wait_for_search(ray.storage, run)
    assert len(ours()) >= 2, "the step, and a worker"
    run.send_signal(signal.SIGINT)
    wait_for(lambda: not ours(), ENDED_WITHIN_S, "the step and its workers are gone")
    assert run.wait(DONE_WITHIN_S) != 0
    assert calls_of(place)
    assert ray.materialize(*TREES, partition=GENERATED), ray.said()


def wait_for_search(storage: Storage, run: "subprocess.Popen[bytes]") -> Path:
    """The folder of a shard with a call answered."""

    def begun() -> Path | None:
        assert run.poll() is None
        places = storage.artifacts.glob(f"*/*.partial/shards/*/{UNDER_WAY}")
        return next((place for place in places if calls_of(place)), None)

    return wait_for(begun, DONE_WITHIN_S, "a search is under way")


def processes(cluster: RayCluster) -> list[psutil.Process]:
    return [process for address in [cluster.head, *cluster.nodes] for process in cluster.processes_of(address)]


def runs_ours(process: psutil.Process) -> bool:
    """Whether it is a step, or a worker that searches."""
    try:
        words = " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    return "execute_step" in words or "ShardWorker" in words
