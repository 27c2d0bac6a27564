"""`marco gc`: what goes is old and unreferenced, and nothing that a process makes or reads."""

import time
from pathlib import Path

import pytest

from marco_dag.errors import StorageError
from marco_dag.lifecycle import RetentionConfig, collect, look_through
from marco_dag.store import ArtifactStore, held

RETENTION = RetentionConfig(artifacts_days=30, unfinished_days=7, logs_days=10)


def gone(stock, *, dry_run: bool = False) -> set[str]:
    collected = collect(stock.storage, stock.mlflow, RETENTION, dry_run=dry_run)
    return {stored.path.name for stored in collected.artifacts} | {path.name for path, _ in collected.files}


def test_only_what_is_old_and_unreferenced_goes(stock, put_away):
    old, young, needed = put_away("sft", "old"), stock.make("sft", "young", days=29), put_away("sft", "needed")
    stock.name_in_manifest("sft_checkpoint", None, needed)
    assert gone(stock) == {old.name}
    assert (old.exists(), young.exists(), needed.exists()) == (False, True, True)


def test_a_dry_run_says_the_same_and_removes_nothing(stock, put_away):
    old = put_away("sft", "old", size=5000)
    stock.leave_unfinished("trees", "broken off", days=8)
    before = sorted(stock.storage.root.rglob("*"))
    told = collect(stock.storage, stock.mlflow, RETENTION, dry_run=True)
    assert sorted(path for path in stock.storage.root.rglob("*") if path.suffix != ".lock") == [
        path for path in before if path.suffix != ".lock"
    ]
    assert told.bytes > 5000
    done = collect(stock.storage, stock.mlflow, RETENTION, dry_run=False)
    assert (done.artifacts, done.files, done.bytes) == (told.artifacts, told.files, told.bytes)
    assert not old.exists()


def test_what_was_asked_for_again_is_young_again(stock, put_away):
    old = put_away("sft", "old")
    ArtifactStore(stock.storage.artifacts).get_or_make("sft", {"name": "old"}, lambda _: None)
    assert gone(stock) == set()
    assert old.exists()


def test_unfinished_work_is_kept_for_its_own_time_and_never_while_it_is_made(stock):
    stock.leave_unfinished("trees", "a", days=6)
    stock.leave_unfinished("sft", "b", days=8)
    [b] = (stock.storage.artifacts / "sft").glob("*.partial")
    seen: list[set[str]] = []

    def make(folder: Path) -> None:
        stock.age(folder / "state", 8)
        stock.age(folder, 8)
        seen.append(gone(stock))

    ArtifactStore(stock.storage.artifacts).get_or_make("sft", {"name": "b"}, make)
    assert seen == [set()]
    assert not b.exists(), "it was finished"
    [a] = (stock.storage.artifacts / "trees").glob("*.partial")
    stock.age(a / "state", 8)
    stock.age(a, 8)
    assert gone(stock) == {a.name}


def test_what_a_process_reads_is_spared_and_named(stock, put_away):
    served = put_away("sft", "served")
    with held(served / "model"):
        collected = collect(stock.storage, stock.mlflow, RETENTION, dry_run=False)
    assert ([stored.path for stored in collected.spared], collected.artifacts) == ([served], [])
    assert served.exists()


def test_old_logs_of_engines_and_removals_that_were_cut_off_go_too(stock):
    logs = stock.storage.engine_logs
    logs.mkdir(parents=True)
    for name, days in (("old.log", 11), ("young.log", 9)):
        (logs / name).write_text("so it was")
        stock.age(logs / name, days)
    cut_off = stock.storage.artifacts / "sft" / "sft-1.removed"
    (cut_off / "model").mkdir(parents=True)
    assert gone(stock) == {"old.log", "sft-1.removed"}
    assert [file.name for file in logs.iterdir()] == ["young.log"]
    assert not cut_off.exists()


def test_every_artifact_is_listed_with_size_age_and_what_keeps_it(stock, put_away):
    needed, old = put_away("sft", "needed", size=3000), put_away("trees", "old")
    partial = stock.leave_unfinished("trees", "broken off", days=1)
    stock.name_in_manifest("sft_checkpoint", None, needed)
    found = {kept.stored.path: kept for kept in look_through(stock.storage, stock.mlflow, RETENTION)}
    assert {path: kept.stored.state for path, kept in found.items()} == {
        needed: "finished",
        old: "finished",
        partial: "unfinished",
    }
    assert (found[needed].until, found[needed].references) == (None, ("manifests/sft_checkpoint/all.json (student)",))
    assert found[needed].stored.bytes >= 3000
    assert found[needed].stored.created_at == pytest.approx(time.time(), abs=60)
    assert found[old].may_go(time.time())
    assert found[partial].until == pytest.approx(time.time() + 6 * 86_400, abs=60)


def test_a_folder_that_is_no_artifact_stops_everything(stock, put_away):
    old = put_away("sft", "old")
    stray = stock.storage.artifacts / "sft" / "my-backup"
    stray.mkdir()
    with pytest.raises(StorageError, match="my-backup: no whole artifact"):
        gone(stock)
    assert old.exists()


def test_links_are_neither_followed_nor_counted(stock, put_away, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"0" * 100_000)
    (stock.storage.artifacts / "sft").mkdir(parents=True)
    (stock.storage.artifacts / "sft" / "link").symlink_to(outside)
    old = put_away("sft", "old")
    (old / "model" / "link").symlink_to(outside)
    assert collect(stock.storage, stock.mlflow, RETENTION, dry_run=False).bytes < 10_000
    assert not old.exists()
    assert (outside / "precious").exists()
