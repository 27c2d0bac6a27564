"""The DuckDB views: current at once, typed when empty, never in a reader's way."""

import multiprocessing
import shutil
import time
from dataclasses import replace

import duckdb
import polars as pl
import pytest

from marco_dag.lineage import LineageLog, Materialization, connect, ensure_database, open_database, refresh_database
from marco_dag.schemas import ARTIFACT_INPUTS, ARTIFACTS, PROMOTIONS, TABLES
from marco_dag.storage import Storage

EVENT = Materialization(
    asset_key="mcts_trees", partition="one", run_id="r", code_version=None, data_version="v", rows=1, path=None
)
NAMES = {"VARCHAR": pl.String(), "BIGINT": pl.Int64(), "DOUBLE": pl.Float64(), "BOOLEAN": pl.Boolean()} | {
    "TIMESTAMP WITH TIME ZONE": pl.Datetime("us", "UTC")
}


def schema_of(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, pl.DataType]:
    return {name: NAMES[kind] for name, kind, *_ in connection.execute(f'DESCRIBE "{view}"').fetchall()}


def ask(connection: duckdb.DuckDBPyConnection, sql: str, **values) -> list[tuple]:
    return connection.execute(sql, values).fetchall()


@pytest.mark.parametrize("view", ["artifacts", "artifact_inputs", "promotions", *TABLES])
def test_with_nothing_made_every_table_is_there_empty_and_typed(tmp_path, view):
    lineage = {"artifacts": ARTIFACTS, "artifact_inputs": ARTIFACT_INPUTS, "promotions": PROMOTIONS}
    schema = {**lineage, **TABLES}[view]
    with open_database(Storage(tmp_path)) as database:
        assert schema_of(database, view) == dict(schema)
        assert ask(database, f'SELECT * FROM "{view}"') == []


def test_every_view_can_be_read_when_empty_and_when_full(leavings, tmp_path):
    for storage in (Storage(tmp_path / "empty"), leavings.storage):
        with open_database(storage) as database:
            views = [name for (name,) in ask(database, "SELECT view_name FROM duckdb_views() WHERE NOT internal")]
            assert {"artifact_ancestry", "latest_artifacts", "training_origins", "score_origins"} < set(views)
            counts = {view: ask(database, f'SELECT count(*) FROM "{view}"')[0][0] for view in views}
        full = storage == leavings.storage
        assert all(bool(counts[view]) == full for view in counts if view not in _CONSTANT | _MAY_BE_EMPTY)


_CONSTANT = {"table_producers", "checkpoint_assets", "recipe_asset"}
_MAY_BE_EMPTY = {
    "promotions",
    "seed_quarantine",
    "seed_overlaps",
    "seed_difficulty",
    "benchmark_questions",
    "benchmark_quarantine",
    "watched_questions",
    "strategy_comparison",
    "mcts_decoding",
    "study_answers",
    "study_decoding",
    "study_findings",
}


def test_new_events_and_partitions_show_without_a_refresh_even_on_an_open_connection(tmp_path, leavings):
    storage = Storage(tmp_path / "fresh")
    with open_database(storage) as database:
        LineageLog(storage).append(replace(EVENT, inputs=("artifact-1", "artifact-2")))
        assert ask(database, "SELECT asset_key, created_at FROM artifacts") == [("mcts_trees", EVENT.created_at)]
        assert ask(database, "SELECT artifact_id, input_artifact_id FROM artifact_inputs ORDER BY ALL") == [
            (EVENT.artifact_id, "artifact-1"),
            (EVENT.artifact_id, "artifact-2"),
        ]
        for batch, trees in (("generated", 2), ("mine", 3)):
            shutil.copytree(leavings.storage.table_folder("trees"), storage.table_folder("trees"), dirs_exist_ok=True)
            if batch == "generated":
                storage.table_file("trees", "mine").unlink()
            assert ask(database, "SELECT count(*) FROM trees") == [(trees,)]


def test_a_file_from_before_a_column_was_added_reads_as_nulls(leavings):
    file = leavings.storage.table_file("trees", "mine")
    pl.read_parquet(file).drop("seconds").write_parquet(file)
    with open_database(leavings.storage) as database:
        assert ask(database, "SELECT tree_id, seconds FROM trees WHERE batch = 'mine'") == [("tree-3", None)]


@pytest.mark.parametrize("folder", ["plain", "with 'quotes' and [brackets] *", "größer"])
def test_any_root_works(leavings, tmp_path, folder):
    moved = Storage(tmp_path / folder)
    shutil.copytree(leavings.storage.root, moved.root)
    with open_database(moved) as database:
        assert ask(database, "SELECT count(*) FROM thoughts") == [(18,)]
        assert ask(database, "SELECT count(*) FROM artifacts") == [(len(leavings.ids),)]


def test_a_moved_folder_is_noticed(leavings, tmp_path):
    refresh_database(leavings.storage)
    moved = Storage(tmp_path / "moved")
    shutil.move(leavings.storage.root, moved.root)
    with open_database(moved) as database:
        assert ask(database, "SELECT count(*) FROM trees") == [(3,)]


def test_a_current_database_is_left_alone_and_a_broken_one_replaced(leavings):
    database = ensure_database(leavings.storage)
    made = database.stat().st_ino
    assert ensure_database(leavings.storage).stat().st_ino == made
    database.write_bytes(b"not a database")
    with open_database(leavings.storage) as connection:
        assert ask(connection, "SELECT count(*) FROM trees") == [(3,)]


def test_the_database_cannot_be_written_through_the_library(leavings):
    with open_database(leavings.storage) as database, pytest.raises(duckdb.Error, match="read-only"):
        database.execute("CREATE TABLE x (y INTEGER)")


def test_the_in_memory_views_need_no_database_file(leavings):
    with connect(leavings.storage) as connection:
        assert ask(connection, "SELECT count(*) FROM trees") == [(3,)]
    assert not leavings.storage.database.exists()


def test_ancestry_knows_every_ancestor_once_at_its_shortest_distance(leavings):
    with connect(leavings.storage) as connection:
        found = ask(
            connection,
            """
            SELECT p.asset_key, p.partition, a.distance FROM artifact_ancestry a
            JOIN artifacts p ON p.artifact_id = a.ancestor_id
            WHERE a.artifact_id = $checkpoint AND p.asset_key IN ('seed_prompts', 'base_models', 'chains')
            ORDER BY ALL
            """,
            checkpoint=leavings.ids["dpo_checkpoint/full"],
        )
    assert found == [
        ("base_models", None, 2),  # through sft_checkpoint; at distance 3 through chains
        ("chains", "generated", 2),
        ("chains", "mine", 2),
        ("seed_prompts", "generated", 2),
        ("seed_prompts", "mine", 2),
    ]


def test_a_chain_is_its_thoughts_from_the_prompt_to_the_leaf(leavings):
    with connect(leavings.storage) as connection:
        path = ask(
            connection, "SELECT node_id, kind, role FROM chain_thoughts WHERE chain_id = 'chain-1f' ORDER BY position"
        )
    assert path == [
        ("node-1a", "sub-task", "generator"),
        ("node-1d", "answer", "generator"),
        ("node-1e", "reflection", "critic"),
        ("node-1f", "answer", "generator"),
    ]


ORIGINS = """
    SELECT training_table, part, chain_id, list(node_id ORDER BY position), list(DISTINCT role ORDER BY role),
        seed_id, seed_source
    FROM score_origins WHERE checkpoint = $checkpoint AND question_id = 'seed-q' AND decoding = 'greedy'
    GROUP BY ALL ORDER BY ALL
"""


def test_behind_an_sft_score_stand_the_cot_set_its_thoughts_models_and_seeds(leavings):
    with connect(leavings.storage) as connection:
        assert ask(connection, ORIGINS, checkpoint="sft") == [
            (
                "cot_set", "completion", f"chain-{n}f", [f"node-{n}{letter}" for letter in "adef"],
                ["critic", "generator"], f"seed-{n}", "mine.jsonl" if n == 3 else "generated",
            )
            for n in (1, 2, 3)
        ]  # fmt: skip


def test_behind_a_recipes_score_stand_its_pairs_and_the_cot_set_of_its_sft_stage(leavings):
    with connect(leavings.storage) as connection:
        parts = [(table, part, chain) for table, part, chain, *_ in ask(connection, ORIGINS, checkpoint="full")]
    assert parts == [
        *(("cot_set", "completion", f"chain-{n}f") for n in (1, 2, 3)),
        *(("preference_pairs", "chosen", f"chain-{n}c") for n in (1, 2, 3)),
        *(("preference_pairs", "rejected", f"chain-{n}d") for n in (1, 2, 3)),
    ]


def test_behind_the_base_students_score_stands_no_training_though_its_step_was_given_other_checkpoints(leavings):
    with connect(leavings.storage) as connection:
        assert ask(connection, ORIGINS, checkpoint="base") == []
        artifacts = ask(connection, "SELECT checkpoint, artifact_id FROM checkpoint_artifacts ORDER BY ALL")
    made_by = {"base": "base_models", "full": "dpo_checkpoint/full", "sft": "sft_checkpoint"}
    assert artifacts == [(checkpoint, leavings.ids[name]) for checkpoint, name in made_by.items()]


def test_origins_say_when_the_tables_have_changed_since_training(leavings):
    leavings.record("balanced_cot", "mine", version="2")
    with connect(leavings.storage) as connection:
        current = ask(
            connection, "SELECT DISTINCT batch, current FROM score_origins WHERE checkpoint = 'sft' ORDER BY ALL"
        )
    assert current == [("generated", True), ("mine", False)]


def _write(root, stop):
    storage, number = Storage(root), 0
    trees = pl.DataFrame(schema=TABLES["trees"])
    storage.table_folder("trees").mkdir(parents=True)
    while not stop.is_set():
        LineageLog(storage).append(replace(EVENT, run_id=str(number)))
        temporary = storage.table_folder("trees") / "x.tmp"
        trees.write_parquet(temporary)
        temporary.replace(storage.table_file("trees", str(number % 5)))
        refresh_database(storage)
        number += 1


def test_a_reader_that_polls_never_fails_while_writers_refresh(tmp_path):
    storage = Storage(tmp_path)
    refresh_database(storage)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    writers = [context.Process(target=work, args=(tmp_path, stop)) for work in (_write, _refresh)]
    for writer in writers:
        writer.start()
    seen = [0]
    deadline = time.monotonic() + 60
    while seen[-1] < 10 and time.monotonic() < deadline:
        with duckdb.connect(storage.database, read_only=True) as database:
            ((count,),) = ask(database, "SELECT count(*) FROM artifacts")
            assert ask(database, "SELECT count(*) FROM trees") == [(0,)]
        assert count >= seen[-1]
        seen.append(count)
    stop.set()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen[-1] >= 10
    assert not list(storage.lineage.glob("*.tmp"))


def _refresh(root, stop):
    while not stop.is_set():
        refresh_database(Storage(root))
