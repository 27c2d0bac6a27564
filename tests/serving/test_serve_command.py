"""`marco serve`, as a user types it: a process that serves until it is told to stop."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from marco_dag.cli import main
from marco_dag.manifests import Model, write_manifest
from marco_dag.storage import Storage
from marco_dag.store import ArtifactStore, remove

ROOT = "import sys; from marco_dag.cli import main; sys.exit(main())"


@pytest.fixture
def storage(tmp_path, checkpoint) -> Storage:
    """A storage root whose SFT checkpoint is the tiny one."""
    storage = Storage(tmp_path / "data")

    def copy(folder) -> None:
        (folder / "model").mkdir()
        for file in checkpoint.iterdir():
            (folder / "model" / file.name).write_bytes(file.read_bytes())

    made = ArtifactStore(storage.artifacts).get_or_make("sft", {}, copy)
    model = Model.in_storage(made.path / "model", "digest", storage)
    write_manifest(storage.manifest_file("sft_checkpoint"), {"student": model})
    return storage


@contextmanager
def served(storage: Storage, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address, once it says that it serves."""
    command = [sys.executable, "-c", ROOT, "serve", *arguments, "--root", str(storage.root), "--port", "0"]
    environment = os.environ | {"MARCO_PROFILE": "miniature", "TRANSFORMERS_VERBOSITY": "error"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline()
            found = re.search(r"serving (\S+) on (http://127\.0\.0\.1:\d+)/v1", said)
            assert found, said
            yield process, found[2]
        finally:
            process.kill()


@pytest.mark.slow
def test_it_serves_until_it_is_told_to_stop_and_meanwhile_nobody_removes_the_checkpoint(storage, post, get):
    [artifact] = (storage.artifacts / "sft").glob("sft-????????????????")
    with served(storage, "sft") as (process, url):
        assert get(f"{url}/v1/models")[1]["data"][0]["id"] == "sft"
        assert post(f"{url}/v1/completions", {"model": "sft", "prompt": "a", "max_tokens": 2})[0] == 200
        assert not remove(artifact, unused_since=2e9)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert remove(artifact, unused_since=2e9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "'nobody' is no checkpoint here. Give base, sft or a recipe that was trained; champion"),
        (["champion"], "marco-miniature: no version is registered"),
        (["sft", "--host", "0.0.0.0"], "--host 0.0.0.0 can be reached from other machines: export a key"),
        (["sft", "--api-key-variable", "NOT_THERE"], "the environment has no NOT_THERE; export the key there"),
        (["sft", "--engine", "vllm"], "has no vLLM; install vLLM into an environment of its own"),
    ],
)
def test_what_cannot_be_served_says_why(storage, capsys, monkeypatch, arguments, message):
    monkeypatch.delenv("MARCO_PROFILE", raising=False)
    assert main(["serve", *arguments, "--root", str(storage.root)]) == 2
    assert message in capsys.readouterr().err


def test_a_server_of_somebody_else_s_is_not_started(storage, capsys, tmp_path):
    profile = tmp_path / "theirs.yaml"
    profile.write_text("name: theirs\nengine: {kind: server, urls: ['http://127.0.0.1:1']}\n")
    assert main(["serve", "sft", "--root", str(storage.root), "--profile", str(profile)]) == 2
    assert "choose what serves it here with --engine" in capsys.readouterr().err


def test_a_taken_port_is_named(storage, capsys, url):
    port = url.rpartition(":")[2]
    assert main(["serve", "sft", "--root", str(storage.root), "--port", port, "--engine", "transformers"]) == 2
    assert f"cannot listen on 127.0.0.1:{port}: " in capsys.readouterr().err
