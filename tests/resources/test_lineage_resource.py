"""Lineage recorded from inside real Dagster runs."""

import dagster as dg
import polars as pl
import pytest

from marco_dag.lineage import LineageLog, Materialization, open_database
from marco_dag.storage import Storage
from resources.lineage import LineageResource
from resources.storage import StorageResource
from resources.tables import ParquetTables

BATCHES = dg.DynamicPartitionsDefinition(name="batches")
RECIPES = dg.StaticPartitionsDefinition(["plain", "full"])
ALL = dg.AllPartitionMapping()


def record(context: dg.AssetExecutionContext, lineage: LineageResource, key: str | None = None, **fields) -> str:
    values = {"data_version": "v1", "rows": 1, "path": None} | fields
    return lineage.record(context, output=dg.AssetKey(key) if key else None, **values)


@dg.asset(deps=["hub_dataset"], code_version="7")
def models(context: dg.AssetExecutionContext, lineage: LineageResource) -> None:
    record(context, lineage, rows=None, path="artifacts/models/m-1", mlflow_run_id="run-1", reused=True)


@dg.asset(partitions_def=BATCHES, metadata={"table": "seed_prompts"})
def seeds(context: dg.AssetExecutionContext, lineage: LineageResource) -> pl.DataFrame:
    record(context, lineage)
    return pl.DataFrame()


@dg.multi_asset(
    specs=[
        dg.AssetSpec("trees", deps=["seeds", "models"], partitions_def=BATCHES, code_version="2"),
        dg.AssetSpec("thoughts", deps=["trees"], partitions_def=BATCHES),
    ],
)
def search(context: dg.AssetExecutionContext, lineage: LineageResource):
    for key in ("trees", "thoughts"):
        record(context, lineage, key)
        yield dg.MaterializeResult(key)


@dg.asset(
    partitions_def=RECIPES,
    ins={"seeds": dg.AssetIn(partition_mapping=ALL)},
    deps=["models", dg.AssetDep("trees", partition_mapping=ALL)],
)
def checkpoint(context: dg.AssetExecutionContext, lineage: LineageResource, seeds: pl.DataFrame) -> None:
    record(context, lineage)


@dg.asset(deps=["trees"])
def impatient(context: dg.AssetExecutionContext, lineage: LineageResource) -> None:
    # While this step is running, somebody materializes its upstream anew.
    LineageLog(lineage.home.storage).append(event("trees", "one", "newer"))
    record(context, lineage)


def event(asset: str, partition: str | None, data_version: str) -> Materialization:
    return Materialization(
        asset_key=asset,
        partition=partition,
        run_id="r",
        code_version=None,
        data_version=data_version,
        rows=1,
        path=None,
    )


class Runs:
    """Materializes the toy assets over one storage and one instance."""

    def __init__(self, storage: Storage, instance: dg.DagsterInstance) -> None:
        self.storage = storage
        self.instance = instance
        self.log = LineageLog(storage)

    def __call__(self, *names: str, partition: str | None = None):
        home = StorageResource(root=str(self.storage.root))
        return dg.materialize(
            [models, seeds, search, checkpoint, impatient],
            selection=list(names),
            partition_key=partition,
            instance=self.instance,
            resources={"lineage": LineageResource(home=home), "io_manager": ParquetTables(home=home)},
        )

    def inputs(self, asset: str, partition: str | None = None) -> set[tuple[str, str | None, str]]:
        """What the newest materialization of an asset was made from, as (asset, partition, data version)."""
        found = self.log.latest(asset, partition)
        by_id = {m.artifact_id: m for m in self.log.all()}
        return {(by_id[i].asset_key, by_id[i].partition, by_id[i].data_version) for i in found.inputs}


@pytest.fixture
def run(tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batches", ["one", "two", "three"])
        yield Runs(Storage(tmp_path / "data"), instance)


def test_a_materialization_is_recorded_with_what_the_asset_declares(run):
    result = run("models")
    recorded = run.log.latest("models")
    assert (recorded.run_id, recorded.code_version, recorded.partition) == (result.run_id, "7", None)
    assert (recorded.rows, recorded.path, recorded.mlflow_run_id) == (None, "artifacts/models/m-1", "run-1")
    assert recorded.reused
    assert recorded.inputs == ()


def test_the_same_partition_is_the_input_and_the_outputs_of_a_multi_asset_follow_one_another(run):
    run("models")
    run("seeds", partition="one")
    run("seeds", "trees", "thoughts", partition="two")
    assert run.inputs("trees", "two") == {("seeds", "two", "v1"), ("models", None, "v1")}
    assert run.inputs("thoughts", "two") == {("trees", "two", "v1")}
    assert run.log.latest("trees", "two").code_version == "2"


@pytest.mark.parametrize("batches", [[], ["one"], ["one", "three"]])
def test_all_partitions_that_exist_are_inputs_through_arguments_and_deps(run, batches):
    for batch in batches:
        run("seeds", "trees", "thoughts", partition=batch)
    run("checkpoint", partition="full")
    assert run.inputs("checkpoint", "full") == {(a, batch, "v1") for a in ("seeds", "trees") for batch in batches}


def test_only_the_newest_version_is_an_input(run):
    run.log.append(event("seeds", "one", "old"))
    run("seeds", partition="one")
    run("trees", "thoughts", partition="one")
    assert run.inputs("trees", "one") == {("seeds", "one", "v1")}


def test_a_version_that_appears_while_the_step_runs_is_no_input(run):
    run.log.append(event("trees", "one", "older"))
    run("impatient")
    assert run.inputs("impatient") == {("trees", "one", "older")}


def test_the_database_answers_at_once(run):
    run("models", "seeds", "trees", "thoughts", partition="one")
    with open_database(run.storage) as database:
        ancestors = database.sql(
            """
            SELECT p.asset_key, a.distance FROM artifact_ancestry a
            JOIN artifacts c USING (artifact_id) JOIN artifacts p ON p.artifact_id = a.ancestor_id
            WHERE c.asset_key = 'thoughts' ORDER BY ALL
            """
        ).fetchall()
    assert ancestors == [("models", 2), ("seeds", 2), ("trees", 1)]
