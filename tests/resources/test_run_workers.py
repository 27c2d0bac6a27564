"""Whether a run's process is there: a lock that ends with it. What follows is in tests/assets/test_backfill.py."""

import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.launcher.base import WorkerStatus

from resources.run_workers import WatchedRunLauncher, hold_lock, is_locked

ROOT = Path(__file__).parents[2]
RUNS = [str(uuid.UUID(int=number << 66)) for number in (1, 2)]
HOLDER = "import sys, time; from pathlib import Path; from resources.run_workers import hold_lock\n"
HOLDER += "hold_lock(Path(sys.argv[1]), sys.argv[2]); print('held', flush=True); time.sleep(600)"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock of the first run."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path), RUNS[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_run_is_locked_as_long_as_its_process_lives_however_it_ends(tmp_path: Path, holder):
    assert [is_locked(tmp_path, run) for run in RUNS] == [True, False]
    assert is_locked(tmp_path, RUNS[0])  # looking takes nothing away
    holder.kill()
    holder.wait(10)
    assert not is_locked(tmp_path, RUNS[0])


def test_processes_of_several_runs_do_not_wait_for_one_another(tmp_path: Path, holder):
    hold_lock(tmp_path, RUNS[1])
    assert is_locked(tmp_path, RUNS[0])


def test_a_run_that_no_code_server_was_asked_for_counts_as_there(tmp_path: Path):
    launcher = {"module": "resources.run_workers", "class": "WatchedRunLauncher"}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"run_launcher": launcher}) as instance:
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
        assert instance.run_launcher.supports_check_run_worker_health
        run = instance.create_run_for_job(dg.GraphDefinition("nothing").to_job())
        assert instance.run_launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING


@pytest.mark.parametrize("name", ["run_launcher", "run_monitoring", "run_retries", "run_queue"])
def test_what_becomes_of_broken_runs_is_the_same_on_a_laptop_and_in_containers(name: str):
    laptop, containers = (dagster_instance_config(str(ROOT / folder))[0] for folder in (".", "docker"))
    cluster = yaml.safe_load((ROOT / "docker/kubernetes/instance.yaml").read_text())
    assert laptop[name] == containers[name]
    assert not laptop["run_retries"]["retry_on_asset_or_op_failure"]
    assert cluster["run_retries"] == laptop["run_retries"]


@pytest.mark.parametrize("file", ["Makefile", "docker/Dockerfile"])
def test_a_backfill_waits_for_a_code_server_that_is_gone(file: str):
    assert re.search(r"\bDAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR\b *:?= *yes\b", (ROOT / file).read_text())
