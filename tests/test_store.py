"""Content-addressed artifacts: done once, found again, gone on with after a crash."""

import json
import multiprocessing
import os
import signal
import time

import pytest

from marco_dag.store import ArtifactStore


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "artifacts")


def write(text):
    return lambda folder: (folder / "weights").write_text(text)


def test_work_that_was_done_is_found_again(store):
    made = store.get_or_make("sft", {"seed": 0, "rate": 1e-3}, write("first"))
    again = store.get_or_make("sft", {"rate": 1e-3, "seed": 0}, write("second"))
    assert (made.reused, again.reused) == (False, True)
    assert (again.id, again.path, again.seconds) == (made.id, made.path, made.seconds)
    assert (again.path / "weights").read_text() == "first"
    assert made.path == store.root / "sft" / made.id


@pytest.mark.parametrize("key", [{"seed": 1}, {"seed": 0, "more": None}, {"seed": "0"}, {}])
def test_another_key_is_another_artifact(store, key):
    first = store.get_or_make("sft", {"seed": 0}, write("first"))
    other = store.get_or_make("sft", key, write("other"))
    assert other.id != first.id
    assert (other.path / "weights").read_text() == "other"
    assert (first.path / "weights").read_text() == "first"


def test_another_kind_is_another_artifact(store):
    assert store.get_or_make("sft", {}, write("a")).path != store.get_or_make("dpo", {}, write("b")).path


def test_the_manifest_says_what_it_was_made_of_and_what_it_cost(store):
    def slow(folder):
        time.sleep(0.05)

    made = store.get_or_make("trees", {"config": {"rollouts": 3}}, slow)
    manifest = json.loads((made.path / "artifact.json").read_text())
    assert (manifest["id"], manifest["kind"], manifest["key"]) == (made.id, "trees", {"config": {"rollouts": 3}})
    assert manifest["seconds"] == made.seconds >= 0.05


def test_a_maker_that_fails_leaves_its_work_for_the_next_try_and_no_artifact(store):
    def fail(folder):
        (folder / "step-1").write_text("done")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store.get_or_make("sft", {}, fail)
    assert [p.name for p in (store.root / "sft").iterdir() if not p.name.endswith((".partial", ".lock"))] == []

    def resume(folder):
        assert (folder / "step-1").read_text() == "done"
        (folder / "step-2").write_text("done")

    made = store.get_or_make("sft", {}, resume)
    assert not made.reused
    assert {p.name for p in made.path.iterdir()} == {"step-1", "step-2", "artifact.json"}


def _make_slowly(root, began, results):
    def make(folder):
        began.set()
        time.sleep(0.5)
        (folder / "maker").write_text(str(os.getpid()))

    made = ArtifactStore(root).get_or_make("sft", {}, make)
    results.put((os.getpid(), made.reused, (made.path / "maker").read_text()))


def test_of_two_processes_one_makes_and_the_other_waits(store):
    context = multiprocessing.get_context("spawn")
    began, results = context.Event(), context.Queue()
    processes = [context.Process(target=_make_slowly, args=(store.root, began, results)) for _ in range(2)]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    (maker,) = [str(pid) for pid, reused, _ in answers if not reused]
    assert sorted(reused for _, reused, _ in answers) == [False, True]
    assert {written for *_, written in answers} == {maker}


def _make_until_killed(root, began):
    def make(folder):
        (folder / "progress").write_text("half")
        began.set()
        time.sleep(600)

    ArtifactStore(root).get_or_make("sft", {}, make)


def test_a_killed_maker_blocks_nobody_and_its_work_is_gone_on_with(store):
    context = multiprocessing.get_context("spawn")
    began = context.Event()
    process = context.Process(target=_make_until_killed, args=(store.root, began))
    process.start()
    assert began.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    found = []
    made = store.get_or_make("sft", {}, lambda folder: found.append((folder / "progress").read_text()))
    assert found == ["half"]
    assert (made.path / "progress").read_text() == "half"
