"""What a step does around an asset's own work: what it records, and which errors are worth another try."""

import errno
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from marco_dag.errors import SearchError
from marco_dag.lineage import LineageLog
from marco_dag.schemas import TABLES, digest_frame
from marco_dag.storage import Storage
from resources.lineage import LineageResource
from resources.profile import ProfileResource
from resources.steps import Steps
from resources.storage import StorageResource
from resources.tables import ParquetTables
from resources.tracking import MlflowTracking


@pytest.fixture(scope="module")
def storage(tmp_path_factory) -> Storage:
    return Storage(tmp_path_factory.mktemp("data"))


def materialize(storage: Storage, body) -> dg.ExecuteInProcessResult:
    """Run `body(step)` as the asset `trees`; it yields what the asset yields."""

    @dg.asset(io_manager_key="tables")
    def trees(context: dg.AssetExecutionContext, steps: Steps):
        with steps.open(context) as step:
            yield body(step)

    home = StorageResource(root=str(storage.root))
    steps = Steps(
        home=home,
        profile=ProfileResource(),
        lineage=LineageResource(home=home),
        tracking=MlflowTracking(home=home),
        retry_seconds=0.01,
    )
    resources = {"steps": steps, "tables": ParquetTables(home=home)}
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([trees], resources=resources, instance=instance, raise_on_error=False)


FRAME = TABLES["trees"].to_frame()


def test_a_finished_step_has_a_data_version_lineage_and_an_mlflow_run(storage):
    result = materialize(storage, lambda step: step.finish(FRAME, metadata={"solved": 0}))
    [event] = result.get_asset_materialization_events()
    told = event.materialization
    assert told.tags["dagster/data_version"] == digest_frame(FRAME)
    assert told.metadata["solved"].value == 0
    recorded = LineageLog(storage).latest("trees")
    assert (recorded.data_version, recorded.rows, recorded.path) == (digest_frame(FRAME), 0, "tables/trees/all.parquet")
    assert recorded.mlflow_run_id == told.metadata["mlflow_run"].value


def test_work_that_was_done_is_reused_and_said_so(storage):
    made = []

    def body(step):
        def make(folder: Path) -> None:
            made.append(folder)
            FRAME.write_parquet(folder / "trees.parquet")

        artifact = step.reuse_or_make("trees", {"seed": 1}, make)
        return step.finish(
            pl.read_parquet(artifact.path / "trees.parquet"), data_version=artifact.id, artifact=artifact
        )

    results = [materialize(storage, body) for _ in range(2)]
    told = [result.get_asset_materialization_events()[0].materialization for result in results]
    assert [event.metadata["reused"].value for event in told] == [False, True]
    assert told[0].tags["dagster/data_version"] == told[1].tags["dagster/data_version"]
    assert len(made) == 1
    recorded = LineageLog(storage).latest("trees")
    assert (recorded.reused, recorded.stored) == (True, told[0].metadata["artifact"].value)


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (SearchError("no engine for the role critic"), 1),
        (TypeError("a mistake in the code"), 1),
        (FileNotFoundError(errno.ENOENT, "gone"), 1),
        (dg.Failure("on purpose"), 1),
        (ConnectionResetError(errno.ECONNRESET, "the server went away"), 3),
        (OSError(errno.ESTALE, "stale file handle"), 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_only_faults_of_the_machine_are_tried_again(storage, error, tries):
    started = []

    def body(step):
        started.append(step)
        raise error

    result = materialize(storage, body)
    assert not result.success
    assert len(started) == tries
    if tries == 1:
        [event] = [event for event in result.all_events if event.is_step_failure]
        assert (error.args[-1] if error.args else error.description) in str(event.step_failure_data.user_failure_data)
