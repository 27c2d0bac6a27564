"""The lineage log: one whole file a materialization, any number of writers."""

import json
import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.errors import LineageError
from marco_dag.lineage import LineageLog, Materialization
from marco_dag.storage import Storage

TREES = Materialization(
    asset_key="mcts_trees",
    partition="generated",
    run_id="run-1",
    code_version="2",
    data_version="v1",
    rows=7,
    path="tables/trees/generated.parquet",
    mlflow_run_id="m-1",
    reused=True,
    inputs=("artifact-a", "artifact-b"),
    created_at=datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
)


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path)


@pytest.fixture
def log(storage):
    return LineageLog(storage)


def test_what_is_appended_is_read_back(log):
    artifact_id = log.append(TREES)
    assert artifact_id == TREES.artifact_id
    assert log.latest("mcts_trees", "generated") == TREES
    assert log.all() == [TREES]


def test_nothing_recorded_is_nothing_found(log):
    assert log.all() == []
    assert log.latest("mcts_trees") is None


def test_the_id_depends_on_asset_partition_content_and_run_alone():
    same = replace(TREES, rows=8, created_at=TREES.created_at + timedelta(days=1), inputs=())
    assert same.artifact_id == TREES.artifact_id
    for change in ({"asset_key": "x"}, {"partition": None}, {"data_version": "v2"}, {"run_id": "run-2"}):
        assert replace(TREES, **change).artifact_id != TREES.artifact_id


def test_the_newest_is_the_latest_whatever_the_order_of_writing(log):
    newer = replace(TREES, data_version="v2", created_at=TREES.created_at + timedelta(microseconds=1))
    # An hour later on the clock on the wall, in another time zone an hour earlier.
    older = replace(TREES, data_version="v0", created_at=datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=2))))
    for materialization in (newer, TREES, older):
        log.append(materialization)
    assert log.latest("mcts_trees", "generated") == newer
    assert [m.data_version for m in log.all()] == ["v0", "v1", "v2"]


def test_a_step_tried_again_replaces_its_event(log):
    log.append(TREES)
    again = replace(TREES, created_at=TREES.created_at + timedelta(minutes=1))
    log.append(again)
    assert log.all() == [again]


def test_partitions_and_assets_with_like_names_are_kept_apart(log):
    log.append(replace(TREES, asset_key="a", partition=None))
    log.append(replace(TREES, asset_key="a", partition="all"))
    log.append(replace(TREES, asset_key="a@all", partition=None))
    assert log.latest("a").partition is None
    assert log.latest("a", "all").partition == "all"
    assert log.latest("a@all").asset_key == "a@all"
    assert log.latest("a", "*") is None


def test_only_accepted_events_count(log):
    log.append(TREES)
    log.append(replace(TREES, data_version="v2", created_at=TREES.created_at + timedelta(days=1)))
    place = ("mcts_trees", "generated")
    found = log.latest_of([place, ("other", None)], among=lambda m: m.created_at <= TREES.created_at)
    assert found == {place: TREES}


@given(
    asset=st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
    partition=st.none() | st.text(st.characters(codec="utf-8"), max_size=300),
)
def test_any_name_is_found_again_and_stays_in_its_folder(tmp_path_factory, asset, partition):
    storage = Storage(tmp_path_factory.mktemp("names"))
    recorded = replace(TREES, asset_key=asset, partition=partition)
    LineageLog(storage).append(recorded)
    assert LineageLog(storage).latest(asset, partition) == recorded
    assert [file.parent for file in storage.root.rglob("*") if file.is_file()] == [storage.events]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"asset_key": "x"}', '"text"'])
def test_a_file_that_is_no_event_is_named(log, storage, content):
    log.append(TREES)
    (storage.events / "foreign.json").write_text(content)
    with pytest.raises(LineageError, match=r"foreign\.json: not a lineage event .* move it out of the folder"):
        log.all()


def test_an_event_is_one_line_of_plain_json(log, storage):
    log.append(replace(TREES, partition="größer"))
    (file,) = storage.events.iterdir()
    (line,) = file.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["partition"] == "größer"


def _append_many(root, writer):
    log = LineageLog(Storage(root))
    for number in range(50):
        log.append(replace(TREES, partition=str(number), run_id=f"run-{writer}"))


def test_writers_in_many_processes_lose_nothing_and_readers_see_whole_events_only(tmp_path, log):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(tmp_path, writer)) for writer in range(3)]
    for writer in writers:
        writer.start()
    counts = []
    while any(writer.is_alive() for writer in writers):
        counts.append(len(log.all()))
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert all(before <= after for before, after in pairwise(counts))
    assert len(log.all()) == 150
