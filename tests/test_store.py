"""Content-addressed artifacts: done once, found again, gone on with after a crash."""

import json
import multiprocessing
import os
import signal
import time

import pytest

from marco_dag.errors import StorageError
from marco_dag.store import MANIFEST, ArtifactStore, held, is_being_made, last_used, read_manifest, remove


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "artifacts")


def write(text):
    def make(folder):
        (folder / "weights").write_text(text)

    return make


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


def _hold_until_killed(folder, began):
    with held(folder):
        began.set()
        time.sleep(600)


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


class TestRemoval:
    """An artifact goes only where nobody makes, holds or waits for it, and nobody has used it since."""

    @pytest.fixture
    def made(self, store):
        return store.get_or_make("sft", {}, write("weights")).path

    def test_an_artifact_goes_as_a_whole_and_is_made_anew(self, store, made):
        assert remove(made, unused_since=time.time())
        assert [path.name for path in made.parent.iterdir() if path.is_dir()] == []
        assert not store.get_or_make("sft", {}, write("again")).reused

    def test_what_was_asked_for_since_stays(self, store, made):
        before = time.time() - 60
        os.utime(made / MANIFEST, (before, before))
        assert last_used(made) == pytest.approx(before)
        store.get_or_make("sft", {}, write("again"))
        assert last_used(made) > before + 30
        assert not remove(made, unused_since=before + 30)
        assert made.exists()

    def test_what_a_reader_holds_stays_until_it_lets_go(self, made):
        (made / "model").mkdir()
        with held(made / "model"), held(made):
            assert not remove(made, unused_since=time.time())
        assert remove(made, unused_since=time.time())

    def test_a_killed_reader_holds_nothing(self, made):
        context = multiprocessing.get_context("spawn")
        began = context.Event()
        process = context.Process(target=_hold_until_killed, args=(made, began))
        process.start()
        assert began.wait(60)
        assert not remove(made, unused_since=time.time())
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert remove(made, unused_since=time.time())

    def test_a_path_in_no_artifact_can_be_held_too(self, tmp_path):
        with held(tmp_path):
            pass

    def test_what_is_being_made_stays_and_what_was_left_unfinished_goes(self, store):
        def make(folder):
            (folder / "step-1").write_text("done")
            assert is_being_made(folder)
            assert not remove(folder, unused_since=time.time() + 60)
            raise RuntimeError("power cut")

        with pytest.raises(RuntimeError, match="power cut"):
            store.get_or_make("sft", {}, make)
        [partial] = store.root.glob("sft/*.partial")
        assert not is_being_made(partial)
        assert last_used(partial) == (partial / "step-1").stat().st_mtime
        assert not remove(partial, unused_since=last_used(partial) - 1)
        assert remove(partial, unused_since=time.time())
        assert not partial.exists()


def test_the_parts_of_an_artifact_are_remembered(store):
    made = store.get_or_make("scores", {}, lambda _: ["answers-1", "answers-2"])
    assert read_manifest(made.path).parts == ("answers-1", "answers-2")
    assert read_manifest(store.get_or_make("sft", {}, write("weights")).path).parts == ()


def test_a_damaged_artifact_is_named(store):
    made = store.get_or_make("sft", {}, write("weights"))
    (made.path / MANIFEST).write_text("")
    with pytest.raises(StorageError, match=rf"{made.id}: no whole artifact, .* remove the folder"):
        store.get_or_make("sft", {}, write("weights"))
