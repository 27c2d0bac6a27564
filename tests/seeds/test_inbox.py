"""The inbox: each content becomes one batch, whatever its file is called, once it is wholly written."""

import os
import time
from pathlib import Path

import pytest

from marco_dag.seeds import Inbox


@pytest.fixture
def inbox(tmp_path) -> Inbox:
    inbox = Inbox(tmp_path / "seeds", tmp_path / "seed_files")
    inbox.folder.mkdir()
    return inbox


def drop(inbox: Inbox, name: str, content: str, age_seconds: float = 60) -> Path:
    file = inbox.folder / name
    file.write_text(content)
    os.utime(file, (time.time() - age_seconds,) * 2)
    return file


def test_a_missing_inbox_is_made_and_is_empty(tmp_path):
    scan = Inbox(tmp_path / "a" / "seeds", tmp_path / "b").scan()
    assert (scan.new, scan.waiting, scan.ignored) == ((), (), ())
    assert (tmp_path / "a" / "seeds").is_dir()


def test_a_file_becomes_a_batch_named_by_its_name_and_content(inbox):
    drop(inbox, "Math Questions (1).JSONL", "one")
    [batch] = inbox.scan().new
    assert batch.batch == f"math-questions-1-{batch.digest[:8]}"
    assert batch.file == "Math Questions (1).JSONL"
    assert inbox.copy_of(batch).read_text() == "one"
    assert inbox.find(batch.batch) == batch


def test_the_same_content_makes_nothing_new_under_any_name(inbox):
    drop(inbox, "first.jsonl", "one")
    [batch] = inbox.scan().new
    drop(inbox, "second.jsonl", "one")
    (inbox.folder / "first.jsonl").unlink()
    assert inbox.scan().new == ()
    assert inbox.batches() == [batch]


def test_two_files_of_one_content_make_one_batch(inbox):
    drop(inbox, "a.jsonl", "one")
    drop(inbox, "b.jsonl", "one")
    assert [batch.file for batch in inbox.scan().new] == ["a.jsonl"]


def test_an_edit_makes_a_new_batch_and_leaves_the_old_copy_alone(inbox):
    drop(inbox, "a.jsonl", "one")
    [old] = inbox.scan().new
    drop(inbox, "a.jsonl", "two")
    [new] = inbox.scan().new
    assert old.batch != new.batch
    assert [inbox.copy_of(batch).read_text() for batch in (old, new)] == ["one", "two"]


def test_a_file_that_is_still_being_written_waits_for_a_later_scan(inbox):
    file = drop(inbox, "growing.jsonl", "half", age_seconds=0)
    drop(inbox, "upload.jsonl.part", "half")
    scan = inbox.scan()
    assert scan.new == ()
    assert [skipped.file for skipped in scan.waiting] == ["growing.jsonl", "upload.jsonl.part"]
    file.write_text("whole")
    os.utime(file, (time.time() - 60,) * 2)
    [batch] = inbox.scan().new
    assert inbox.copy_of(batch).read_text() == "whole"


def test_a_file_that_changes_while_it_is_copied_waits_for_a_later_scan(inbox, monkeypatch):
    drop(inbox, "a.jsonl", "one")
    inside = "marco_dag.seeds.snapshots.shutil.copyfile"

    def copy_late(source, target):
        drop(inbox, "a.jsonl", "longer")
        Path(target).write_bytes(Path(source).read_bytes())

    monkeypatch.setattr(inside, copy_late)
    scan = inbox.scan()
    assert (scan.new, [skipped.file for skipped in scan.waiting]) == ((), ["a.jsonl"])
    assert [path.name for path in inbox.copies.iterdir()] == [".lock"]


def test_a_clock_that_runs_ahead_holds_no_file_back(inbox):
    drop(inbox, "a.jsonl", "one", age_seconds=-3600)
    assert len(inbox.scan().new) == 1


def test_what_is_no_seeds_file_is_ignored_with_a_reason(inbox):
    drop(inbox, "notes.txt", "hello")
    drop(inbox, ".hidden.jsonl", "one")
    (inbox.folder / "folder.jsonl").mkdir()
    (inbox.folder / "link.jsonl").symlink_to("/etc/hostname")
    os.mkfifo(inbox.folder / "pipe.jsonl")
    scan = inbox.scan()
    assert (scan.new, scan.waiting) == ((), ())
    assert {skipped.file: skipped.reason.split(";")[0] for skipped in scan.ignored} == {
        "folder.jsonl": "is a folder",
        "link.jsonl": "is a link",
        "notes.txt": "is not a seeds file",
        "pipe.jsonl": "is not a regular file",
    }


def test_a_crash_between_copy_and_manifest_is_made_good_by_the_next_scan(inbox):
    drop(inbox, "a.jsonl", "one")
    [batch] = inbox.scan().new
    (inbox.copies / f"{batch.digest}.json").unlink()
    assert inbox.scan().new == (batch,)


@pytest.mark.parametrize("name", ["...jsonl.jsonl", "数据.jsonl", "../x.jsonl".replace("/", "_"), "a" * 200 + ".jsonl"])
def test_any_name_gives_a_harmless_partition_key(inbox, name):
    drop(inbox, "x" + name, "one")
    [batch] = inbox.scan().new
    assert set(batch.batch) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(batch.batch) <= 49


def test_a_name_that_is_not_utf8_is_taken_all_the_same(inbox):
    file = os.path.join(os.fsencode(inbox.folder), b"caf\xe9.jsonl")  # noqa: PTH118
    with open(file, "wb") as out:  # noqa: PTH123
        out.write(b"one")
    os.utime(file, (time.time() - 60,) * 2)
    [batch] = inbox.scan().new
    assert batch.file == "caf?.jsonl"
