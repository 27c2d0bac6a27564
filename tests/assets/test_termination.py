"""Terminate, as the web UI does it: what the run has started is gone within seconds, its training states are kept."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from marco_dag.seeds import GENERATED
from tests.assets.conftest import TINY, House

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
ENDED_WITHIN_S = 10.0

LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
LOCATION = """{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"""


class WebUi:
    """A real web server with its code server, and what its page asks of it."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: object) -> dict:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def launch(self, asset: str) -> str:
        [repository] = self.ask(LOCATION)["repositoriesOrError"]["nodes"]
        selector = {
            "repositoryLocationName": repository["location"]["name"],
            "repositoryName": repository["name"],
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]}],
        }
        launched = self.ask(LAUNCH, params={"selector": selector, "mode": "default", "runConfigData": {}})["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def status(self, run: str) -> str:
        return self.ask(STATUS, id=run)["runOrError"]["status"]


def wait_for(what: Callable[[], object], seconds: float, why: str) -> object:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds:.0f} s: {why}")


@pytest.fixture(scope="module")
def long_training(house_on_disk: House) -> Path:
    """The tiny profile, its SFT in two ranks and of a length that nobody waits for; what it stands on is there."""
    house = house_on_disk
    assert house.run("seed_batches", "held_out_questions", "benchmark_questions", "benchmark_quarantine").success
    assert house.run("watched_questions", "base_models").success
    assert house.search_batch(GENERATED).success
    values = yaml.safe_load(TINY.read_text())
    values["sft"] |= {"epochs": 5000, "checkpoint_every": 20, "watch": None, "parallel": {"processes": 2}}
    profile = house.storage.root / "long.yaml"
    profile.write_text(yaml.safe_dump(values))
    return profile


@pytest.fixture
def web_ui(house_on_disk: House, long_training: Path) -> Iterator[tuple[WebUi, psutil.Process]]:
    root = house_on_disk.storage.root
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Queued runs would wait for a daemon, which plays no part here.
    coordinator = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    (root / "dagster" / "dagster.yaml").write_text(yaml.safe_dump({"run_coordinator": coordinator}))
    environment = os.environ | {
        "DAGSTER_HOME": str(root / "dagster"),
        "MARCO_HOME": str(root),
        "MARCO_PROFILE": str(long_training),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "dagster_webserver", "-m", "marco_dag.definitions", "-h", "127.0.0.1"]
    with (
        (root / "webserver.log").open("w") as log,
        subprocess.Popen(
            [*command, "-p", str(port)], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as server,
    ):
        ui = WebUi(port)

        def is_up() -> bool:
            assert server.poll() is None, (root / "webserver.log").read_text()
            try:
                return bool(ui.ask(LOCATION))
            except (urllib.error.URLError, ConnectionError):
                return False

        try:
            wait_for(is_up, 120, "the web server answers")
            yield ui, psutil.Process(server.pid)
        finally:
            everything = psutil.Process(server.pid).children(recursive=True)
            server.terminate()
            server.wait(60)
            for process in psutil.wait_procs(everything, timeout=20)[1]:
                process.kill()


def test_terminate_ends_every_process_of_the_run_and_keeps_its_training_states(web_ui, house_on_disk):
    ui, server = web_ui
    before = set(server.children(recursive=True))
    run = ui.launch("sft_checkpoint")
    store = house_on_disk.storage.artifacts / "sft"

    def training_states() -> list[Path]:
        assert ui.status(run) in ("NOT_STARTED", "STARTING", "STARTED"), ui.status(run)
        return list(store.rglob("checkpoint-*"))

    wait_for(training_states, 180, "the ranks have saved a state")
    commands = {process: process.cmdline() for process in set(server.children(recursive=True)) - before}
    # Python's own bookkeeper of shared memory: the code server starts it with its first run and keeps it.
    started = [process for process, command in commands.items() if "resource_tracker" not in " ".join(command)]
    ranks = [process for process in started if "marco_dag.training.worker" in commands[process]]
    assert len(ranks) >= 2  # and torchrun with its guardian, which name the module too
    assert ui.ask(TERMINATE, id=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    asked = time.monotonic()
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive
    assert time.monotonic() - asked < ENDED_WITHIN_S
    wait_for(lambda: ui.status(run) == "CANCELED", 30, "the run counts as cancelled")
    [unfinished] = store.glob("*.partial")
    assert list(unfinished.rglob("checkpoint-*"))
