"""A search on two nodes of a real Ray cluster: the laptop's tables, whatever is lost on the way."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks.ray_cluster import ROOT, RayCluster
from marco_dag.cluster import ClusterConfig, SearchTask
from marco_dag.engines import CallsConfig, Completion, Request, ScriptedEngine, ServerConfig, open_roles
from marco_dag.search import THOUGHTS_FILE, TREES_FILE, SearchConfig, search_into
from marco_dag.search.claim import holder, is_held
from marco_dag.search.driver import UNDER_WAY
from tests.assets.running_dagster import wait_for
from tests.cluster.spread_search import SEEDS, calls_of
from tests.engines.completions_server import CompletionsServer
from tests.engines.conftest import character_tokenizer
from tests.search.quick_search import seeds as quick_seeds
from tests.search.quick_search import write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ALL_SEEDS = quick_seeds()
SHARD_TREES = 14
IN_FLIGHT = 48
SEARCH = SearchConfig(openings={}, instructions="", rollouts=4, hard_after=2, live_sequences=IN_FLIGHT)
DONE_WITHIN_S = 180.0


class Unhurried(ScriptedEngine):
    """Takes its time, so that a search lasts a few seconds; what it writes depends on the request alone."""

    async def complete(self, request: Request) -> list[Completion]:
        await asyncio.sleep(0.1)
        return await super().complete(request)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tokenizer; the model is the server's."""
    folder = tmp_path_factory.mktemp("checkpoint")
    character_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def server() -> Iterator[CompletionsServer]:
    with CompletionsServer(Unhurried(write), character_tokenizer()) as server:
        yield server


@pytest.fixture
def task(server: CompletionsServer, checkpoint: str, tmp_path: Path) -> SearchTask:
    engine = ServerConfig(kind="server", urls=(server.url,), calls=CallsConfig(patience_s=20))
    return SearchTask(
        checkpoints={"generator": checkpoint, "critic": checkpoint},
        engines={"generator": engine, "critic": engine},
        search=SEARCH,
        seed=3,
        logs=tmp_path / "logs",
    )


@pytest.fixture
def laptop(task: SearchTask, server: CompletionsServer, tmp_path: Path) -> Path:
    """Where the same search left its tables on one machine; the server has heard of nothing else."""
    server.payloads.clear()
    folder = tmp_path / "laptop"
    with open_roles(task.checkpoints, task.engines, logs=task.logs, say=print) as engines:
        search_into(folder, ALL_SEEDS, engines, task.search, seed=task.seed)
    return folder


class Spread:
    """A sharded search under way."""

    def __init__(self, cluster: RayCluster, folder: Path, task: SearchTask, **config: float) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        ALL_SEEDS.write_parquet(folder / SEEDS)
        chosen = ClusterConfig(shard_trees=SHARD_TREES, gpus=0).model_copy(update=config)
        command = [sys.executable, "-m", "tests.cluster.spread_search", str(folder)]
        self._process = subprocess.Popen(
            [*command, task.model_dump_json(), chosen.model_dump_json()],
            env=cluster.environment,
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> str:
        """Until it is over; what it said."""
        _, said = self._process.communicate(timeout=DONE_WITHIN_S)
        return said

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def wait_for_searches(self, count: int, calls: int) -> list[Path]:
        """The folders of `count` shards that are searched at this moment and have so many calls answered."""

        def under_way() -> list[Path] | None:
            assert self._process.poll() is None, self.wait()
            held = [place for place in self.folder.glob(f"shards/*/{UNDER_WAY}") if is_held(place)]
            return held if len([place for place in held if calls_of(place) >= calls]) >= count else None

        return wait_for(under_way, DONE_WITHIN_S, f"{count} shards are under way")


def assert_as_on_the_laptop(folder: Path, laptop: Path) -> None:
    for name in (TREES_FILE, THOUGHTS_FILE):
        ours, theirs = (pl.read_parquet(place / name).drop("seconds", strict=False) for place in (folder, laptop))
        assert_frame_equal(ours, theirs)
    assert {file.name for file in folder.iterdir()} == {TREES_FILE, THOUGHTS_FILE, SEEDS}


def node_of(cluster: RayCluster, search: Path) -> str:
    """The node whose worker holds a search."""
    pid = int(holder(search).split()[1])
    [address] = [node for node in cluster.nodes if pid in [process.pid for process in cluster.processes_of(node)]]
    return address


def test_a_lost_node_s_shards_are_taken_over_and_the_tables_are_the_laptop_s(cluster, task, laptop, server):
    cluster.add_node()
    cluster.add_node()
    asked = len(server.payloads)
    spread = Spread(cluster, laptop.with_name("spread"), task)
    first, second = spread.wait_for_searches(2, calls=20)
    lost, kept = node_of(cluster, first), node_of(cluster, second)
    assert lost != kept
    cluster.lose_node(lost)
    spread.wait()
    assert_as_on_the_laptop(spread.folder, laptop)
    assert len(server.payloads) - 2 * asked <= IN_FLIGHT, (
        "more was asked twice than what was in flight on the lost node"
    )


def test_a_killed_driver_goes_on_where_it_was(cluster, task, laptop):
    cluster.add_node()
    spread = Spread(cluster, laptop.with_name("spread"), task)
    spread.wait_for_searches(1, calls=20)
    spread.kill()
    again = Spread(cluster, spread.folder, task)
    again.wait()
    assert_as_on_the_laptop(spread.folder, laptop)


def test_what_no_node_has_room_for_is_an_error_after_the_wait_and_never_hangs(cluster, task, tmp_path):
    address = cluster.add_node()
    said = Spread(cluster, tmp_path / "spread", task, gpus=1.0, wait_s=3.0).wait()
    assert "ClusterError: for 3 s no worker came to work" in said
    assert f"{address} (1 cores, 0 GPUs)" in said


def test_an_engine_that_cannot_be_opened_ends_the_search_with_its_own_words(cluster, task, tmp_path):
    cluster.add_node()
    nobody = task.engines["critic"].model_copy(
        update={"urls": ("http://127.0.0.1:9",), "calls": CallsConfig(patience_s=1)}
    )
    broken = task.model_copy(update={"engines": {**task.engines, "critic": nobody}})
    said = Spread(cluster, tmp_path / "spread", broken, attempts=1).wait()
    assert "127.0.0.1:9" in said
    assert "Error: " in said
