"""Terminate, as the web UI does it: what the run has started is gone within seconds, what it has saved is kept."""

import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from marco_dag.engines.guarded_server import free_port
from marco_dag.seeds import GENERATED
from tests.assets.conftest import TINY, House
from tests.assets.running_dagster import ROOT, WebUi, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ENDED_WITHIN_S = 10.0
DEAF_ENDED_WITHIN_S = 15.0
"""Where children heed no SIGTERM, they are first waited for."""

DEAF_SERVER = """#!/bin/sh
# A server that is there, answers nothing, starts a process of its own, and heeds no SIGTERM; called as vLLM's would be.
case "$1" in -I) exit 0 ;; esac
while [ "$1" != --port ]; do shift; done
exec {python} {server} "$2" --deaf --child {folder}/child-$2
"""


@pytest.fixture(scope="module")
def endless(house_on_disk: House) -> Path:
    """The tiny profile, whose SFT in two ranks and whose search nobody waits for; what they stand on is there.

    The search asks servers that never answer, one a role.
    """
    house = house_on_disk
    assert house.run("seed_batches", "held_out_questions", "benchmark_questions", "benchmark_quarantine").success
    assert house.run("watched_questions", "base_models").success
    assert house.search_batch(GENERATED).success
    python = house.storage.root / "python"
    server = ROOT / "tests/engines/small_server.py"
    python.write_text(DEAF_SERVER.format(python=sys.executable, server=server, folder=house.storage.root))
    python.chmod(0o755)
    values = yaml.safe_load(TINY.read_text())
    values["sft"] |= {"epochs": 5000, "checkpoint_every": 20, "watch": None, "parallel": {"processes": 2}}
    values["engine"] = {"kind": "vllm", "python": str(python), "device": "cpu", "calls": {"timeout_s": 500}}
    values["search"]["rollouts"] += 1  # those of the tiny profile are searched already
    profile = house.storage.root / "endless.yaml"
    profile.write_text(yaml.safe_dump(values))
    return profile


@pytest.fixture
def web_ui(house_on_disk: House, endless: Path) -> Iterator[tuple[WebUi, psutil.Process]]:
    root = house_on_disk.storage.root
    port = free_port()
    # Queued runs would wait for a daemon, which plays no part here.
    coordinator = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    (root / "dagster" / "dagster.yaml").write_text(yaml.safe_dump({"run_coordinator": coordinator}))
    environment = os.environ | {
        "DAGSTER_HOME": str(root / "dagster"),
        "MARCO_HOME": str(root),
        "MARCO_PROFILE": str(endless),
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
            return ui.is_up()

        try:
            wait_for(is_up, 120, "the web server answers")
            yield ui, psutil.Process(server.pid)
        finally:
            everything = psutil.Process(server.pid).children(recursive=True)
            server.terminate()
            server.wait(60)
            for process in psutil.wait_procs(everything, timeout=20)[1]:
                process.kill()


def children_of_a_run(server: psutil.Process, before: set[psutil.Process]) -> dict[psutil.Process, str]:
    """What the web server and its code server have started since, with its command."""
    commands = {process: " ".join(process.cmdline()) for process in set(server.children(recursive=True)) - before}
    # Python's own bookkeeper of shared memory: the code server starts it with its first run and keeps it.
    return {process: command for process, command in commands.items() if "resource_tracker" not in command}


def terminate(ui: WebUi, run: str, started: Collection[psutil.Process], within_s: float = ENDED_WITHIN_S) -> None:
    """Have `run` terminated: all that it has started is gone in time, and it counts as cancelled."""
    ui.terminate(run)
    asked = time.monotonic()
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive
    assert time.monotonic() - asked < within_s
    wait_for(lambda: ui.status(run) == "CANCELED", 30, "the run counts as cancelled")


def training_states(store: Path) -> dict[int, float]:
    """Step → when its state was written."""
    return {int(found.name.split("-")[1]): found.stat().st_mtime for found in store.rglob("checkpoint-*")}


def test_terminate_ends_a_training_in_two_ranks_which_goes_on_from_its_state_when_it_is_executed_again(
    web_ui, house_on_disk
):
    ui, server = web_ui
    before = set(server.children(recursive=True))
    run = ui.launch("sft_checkpoint")
    store = house_on_disk.storage.artifacts / "sft"

    def under_way(run: str) -> bool:
        assert ui.status(run) in ("NOT_STARTED", "STARTING", "STARTED"), ui.status(run)
        return True

    wait_for(lambda: under_way(run) and training_states(store), 180, "the ranks have saved a state")
    started = children_of_a_run(server, before)
    assert (
        sum("marco_dag.training.worker" in command for command in started.values()) >= 2
    )  # and torchrun, its guardian
    terminate(ui, run, started)
    [unfinished] = store.glob("*.partial")
    kept = training_states(unfinished)
    assert kept

    again = ui.reexecute(run)

    def new_states() -> list[int]:
        assert under_way(again)
        return [step for step, written in training_states(unfinished).items() if written > max(kept.values())]

    assert min(wait_for(new_states, 180, "the ranks have saved another state")) > max(kept)
    terminate(ui, again, children_of_a_run(server, before))


def test_terminate_ends_a_search_whose_servers_heed_no_sigterm(web_ui, house_on_disk):
    ui, server = web_ui
    before = set(server.children(recursive=True))
    run = ui.launch("mcts_trees", "thoughts", tags={"dagster/partition": GENERATED})
    logs = house_on_disk.storage.engine_logs

    def asked() -> bool:
        assert ui.status(run) in ("NOT_STARTED", "STARTING", "STARTED"), ui.status(run)
        return any("asked" in log.read_text() for log in logs.glob("*.log"))

    wait_for(asked, 120, "a call is under way")
    started = children_of_a_run(server, before)
    assert sum("small_server.py" in command and "guardian" not in command for command in started.values()) == 2
    orphans = [psutil.Process(int(file.read_text())) for file in house_on_disk.storage.root.glob("child-*")]
    assert len(orphans) == 2
    terminate(ui, run, {*started, *orphans}, DEAF_ENDED_WITHIN_S)
