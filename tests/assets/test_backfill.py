"""A back-fill of fifty batches through a real daemon, code server and web server, which are killed on its way."""

import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import psutil
import pytest
from polars.testing import assert_frame_equal

from marco_dag.storage import Storage
from tests.assets.conftest import TINY, House, open_house
from tests.assets.running_dagster import RunningDagster, wait_for, write_instance

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

BATCHES = 50
TABLES = ("seed_prompts", "seed_quarantine", "seed_overlaps")
STANDS_ON = ("seed_batches", "held_out_questions", "benchmark_questions", "benchmark_quarantine")
LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
STATUS = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status error { message } } } }"""


def question(word: str) -> dict:
    return {"task": "letters", "prompt": f"How many r in {word}?", "reference": {"word": word, "letter": "r"}}


def fill(house: House) -> list[str]:
    """Fifty seeds files of a few questions, in each a bad row and a question that all of them hold; the batches."""
    for number in range(BATCHES):
        words = [f"strawberry{number:02}", f"banana{number:02}", "river"]
        house.drop(f"batch-{number:02}.jsonl", [*(question(word) for word in words), "no JSON"])
    assert house.run(*STANDS_ON).success
    return [batch for batch in house.table("seed_batches")["batch"] if batch != "generated"]


@pytest.fixture
def undisturbed(tmp_path: Path) -> Storage:
    """The same made in one process, with nobody killed."""
    with open_house(tmp_path / "undisturbed", dg.DagsterInstance.ephemeral()) as house:
        for batch in fill(house):
            assert house.run(*TABLES, partition=batch).success
        return house.storage


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    root = tmp_path / "disturbed"
    write_instance(root / "dagster", runs=3)
    with open_house(root, dg.DagsterInstance.from_config(str(root / "dagster"))) as house:
        yield house


class Backfill:
    """A back-fill on its way."""

    def __init__(self, dagster: RunningDagster, instance: dg.DagsterInstance, batches: list[str]) -> None:
        self._ui, self._instance = dagster.ui, instance
        params = {"assetSelection": [{"path": [table]} for table in TABLES], "partitionNames": batches}
        launched = self._ui.ask(LAUNCH, params=params)["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        self._id = launched["backfillId"]

    def status(self) -> str:
        return self._ui.ask(STATUS, id=self._id)["partitionBackfillOrError"]["status"]

    def runs(self, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        tags = {"dagster/backfill": self._id}
        return self._instance.get_runs(dg.RunsFilter(tags=tags, statuses=list(statuses)))

    def wait_until_done(self, count: int) -> None:
        wait_for(lambda: len(self.runs(dg.DagsterRunStatus.SUCCESS)) >= count, 300, f"{count} partitions are made")

    def workers(self) -> list[psutil.Process]:
        """The processes of the runs that have started."""
        found = []
        for run in self.runs(dg.DagsterRunStatus.STARTED):
            events = self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
            [pid] = [int(said[1]) for event in events if (said := re.search(r"run \(pid: (\d+)\)", event.message))]
            if psutil.pid_exists(pid):
                found.append(psutil.Process(pid))
        return found


def test_a_backfill_whose_daemon_code_server_and_runs_are_killed_makes_every_partition(undisturbed, house):
    batches = fill(house)
    assert len(batches) == BATCHES
    with RunningDagster(house.storage.root, {"MARCO_PROFILE": str(TINY)}) as dagster:
        backfill = Backfill(dagster, house.instance, batches)
        backfill.wait_until_done(3)
        dagster.kill("daemon")
        dagster.start("daemon")
        backfill.wait_until_done(8)
        wait_for(backfill.workers, 60, "a run is under way")[0].kill()
        wait_for(lambda: backfill.runs(dg.DagsterRunStatus.FAILURE), 60, "the run whose process is gone has failed")
        backfill.wait_until_done(14)
        orphans = wait_for(backfill.workers, 60, "a run is under way")
        dagster.kill("code")
        assert not psutil.wait_procs(orphans, timeout=10)[1]  # they end with their server
        dagster.start("code")
        wait_for(lambda: backfill.status() != "REQUESTED", 600, "the back-fill ends")
        assert backfill.status() == "COMPLETED_SUCCESS"
    failed = backfill.runs(dg.DagsterRunStatus.FAILURE)
    assert len(failed) >= 2
    assert len(backfill.runs()) == BATCHES + len(failed)  # each was tried again, nothing else was
    assert house.instance.get_materialized_partitions(dg.AssetKey("seed_prompts")) == set(batches)
    for table in TABLES:
        for batch in batches:
            assert_frame_equal(house.table(table, batch), pl.read_parquet(undisturbed.table_file(table, batch)))
