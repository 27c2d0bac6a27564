"""The I/O manager of the tables, under real Dagster runs."""

import dagster as dg
import polars as pl
import pytest

from marco_dag.schemas import TABLES
from marco_dag.storage import Storage
from resources.storage import StorageResource
from resources.tables import ParquetTables

BATCHES = dg.DynamicPartitionsDefinition(name="batches")
RECIPES = dg.StaticPartitionsDefinition(["plain", "full"])


def trees(batch: str, count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "tree_id": [f"tree-{batch}-{i}" for i in range(count)],
            "seed_id": "seed-1",
            "task": "letters",
            "batch": batch,
            "pattern": "a",
            "strategy": "mcts",
            "rollouts": 3,
            "nodes": 5,
            "correct": 1,
            "wrong": 1,
            "stop_reason": "<b>rollouts</b> | `done`\nyes " + "x" * 200,
            "tokens": 100,
            "seconds": 0.5,
        }
    )


@dg.asset(partitions_def=BATCHES, metadata={"table": "trees"})
def mcts_trees(context: dg.AssetExecutionContext) -> pl.DataFrame:
    return trees(context.partition_key, 2)


seen: list[pl.DataFrame] = []


@dg.asset(partitions_def=BATCHES)
def same_batch(mcts_trees: pl.DataFrame) -> None:
    seen.append(mcts_trees)


@dg.asset
def whole(mcts_trees: pl.DataFrame) -> None:
    seen.append(mcts_trees)


@dg.asset(
    partitions_def=RECIPES,
    ins={"mcts_trees": dg.AssetIn(partition_mapping=dg.AllPartitionMapping())},
)
def by_recipe(mcts_trees: pl.DataFrame) -> None:
    seen.append(mcts_trees)


@dg.asset(metadata={"table": "chains"})
def empty_chains() -> pl.DataFrame:
    return pl.DataFrame()


@dg.asset
def reads_chains(empty_chains: pl.DataFrame) -> None:
    seen.append(empty_chains)


@dg.multi_asset(outs={"thoughts": dg.AssetOut(), "second": dg.AssetOut(metadata={"table": "trees"})})
def two_tables():
    yield dg.MaterializeResult("thoughts", value=pl.DataFrame())
    yield dg.MaterializeResult("second", value=trees("x", 1))


@dg.asset
def nameless() -> pl.DataFrame:
    return pl.DataFrame()


@dg.asset(metadata={"table": "trees"})
def wrong_columns() -> pl.DataFrame:
    return trees("x", 1).drop("tokens").with_columns(surprise=1)


@dg.asset(metadata={"table": "trees"})
def no_frame() -> int:
    return 3


ASSETS = [
    mcts_trees, same_batch, whole, by_recipe, empty_chains, reads_chains, two_tables, nameless, wrong_columns, no_frame
]  # fmt: skip


class Runs:
    """Materializes the toy assets over one storage and one instance."""

    def __init__(self, storage: Storage, instance: dg.DagsterInstance) -> None:
        self.storage = storage
        self.instance = instance

    def __call__(self, *names: str, partition: str | None = None, batches: tuple[str, ...] = ()):
        self.instance.add_dynamic_partitions("batches", list(batches))
        seen.clear()
        return dg.materialize(
            ASSETS,
            selection=list(names),
            partition_key=partition,
            instance=self.instance,
            resources={"io_manager": ParquetTables(home=StorageResource(root=str(self.storage.root)))},
        )


@pytest.fixture
def run(tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Runs(Storage(tmp_path / "data"), instance)


def test_a_partition_is_one_file_with_the_columns_of_its_table(run):
    run("mcts_trees", partition="one", batches=("one",))
    frame = pl.read_parquet(run.storage.table_file("trees", "one"))
    assert frame.schema == TABLES["trees"]
    assert frame["batch"].to_list() == ["one", "one"]
    assert [p.name for p in run.storage.table_folder("trees").iterdir()] == ["one.parquet"]


def test_the_same_partition_is_handed_on(run):
    run("mcts_trees", "same_batch", partition="one", batches=("one", "two"))
    assert seen[0]["batch"].to_list() == ["one", "one"]


@pytest.mark.parametrize("reader", [("whole", None), ("by_recipe", "full")])
@pytest.mark.parametrize("batches", [(), ("one",), ("one", "two")])
def test_all_partitions_are_one_frame_however_many_there_are(run, batches, reader):
    for batch in batches:
        run("mcts_trees", partition=batch, batches=(batch,))
    name, partition = reader
    run(name, partition=partition)
    (frame,) = seen
    assert frame.schema == TABLES["trees"]
    assert frame["batch"].to_list() == [batch for batch in batches for _ in range(2)]


def test_partitions_never_materialized_are_left_out_and_named(run):
    run("mcts_trees", partition="two", batches=("one", "two", "three"))
    result = run("whole")
    assert seen[0]["batch"].to_list() == ["two", "two"]
    log = [entry.user_message for entry in run.instance.all_logs(result.run_id)]
    assert "mcts_trees: left out 2 of 3 partitions, not materialized yet: ['one', 'three']" in log


def test_none_of_the_partitions_materialized_is_an_empty_table(run):
    run("whole", batches=("one", "two"))
    assert seen[0].schema == TABLES["trees"]
    assert seen[0].is_empty()


def test_a_missing_partition_of_the_step_itself_is_an_error(run):
    with pytest.raises(dg.Failure, match="mcts_trees was not materialized yet"):
        run("same_batch", partition="one", batches=("one",))


def test_a_missing_table_without_partitions_is_an_error(run):
    with pytest.raises(dg.Failure, match="empty_chains was not materialized yet"):
        run("reads_chains")


def test_an_empty_frame_of_any_shape_is_an_empty_table(run):
    run("empty_chains")
    run("reads_chains")
    assert seen[0].schema == TABLES["chains"]
    assert run.storage.table_file("chains").name == "all.parquet"


def test_a_multi_asset_writes_its_tables(run):
    run("thoughts", "second")
    assert pl.read_parquet(run.storage.table_file("thoughts")).schema == TABLES["thoughts"]
    assert pl.read_parquet(run.storage.table_file("trees")).height == 1


@pytest.mark.parametrize("batch", ["../../escaped", "/etc/passwd", "..", "all", "a b/c", "x" * 300])
def test_no_partition_name_leaves_the_tables_folder(run, batch):
    run("mcts_trees", partition=batch, batches=(batch,))
    (file,) = run.storage.table_folder("trees").iterdir()
    assert file == run.storage.table_file("trees", batch)
    run("same_batch", partition=batch)
    assert seen[0]["batch"].unique().to_list() == [batch]


def test_metadata_counts_rows_and_shows_a_harmless_sample(run):
    result = run("mcts_trees", partition="one", batches=("one",))
    (event,) = result.asset_materializations_for_node("mcts_trees")
    assert event.metadata["dagster/row_count"].value == 2
    assert event.metadata["path"].value == str(run.storage.table_file("trees", "one"))
    columns = event.metadata["dagster/column_schema"].value.columns
    assert [column.name for column in columns] == list(TABLES["trees"])
    sample = event.metadata["sample"].value.splitlines()
    assert len(sample) == 4
    assert "&lt;b&gt;rollouts&lt;/b&gt; &#124; &#96;done&#96;⏎yes xxx" in sample[2]
    assert "x" * 150 not in sample[2]


@pytest.mark.parametrize(
    ("asset", "error", "message"),
    [
        ("nameless", ValueError, "'nameless' is no table; tables: .*seed_prompts"),
        ("wrong_columns", ValueError, r"table trees: missing columns \['tokens'\], unknown columns \['surprise'\]"),
        ("no_frame", TypeError, "table trees: an asset must return a polars frame, not int"),
    ],
)
def test_what_is_no_table_is_refused_and_leaves_nothing_behind(run, asset, error, message):
    with pytest.raises(error, match=message):
        run(asset)
    assert not [p for p in run.storage.root.rglob("*") if p.is_file()]
