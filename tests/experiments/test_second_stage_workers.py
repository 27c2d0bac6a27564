"""Workers of the second-stage experiment end with the process that started them, also where it was killed."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]

BUSY = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from experiments.second_stage.workers import begin

context = multiprocessing.get_context("spawn")
with ProcessPoolExecutor(1, mp_context=context, initializer=begin, initargs=(Path(sys.argv[1]),)) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    command = [sys.executable, "-c", BUSY, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.kill()
    deadline = time.monotonic() + 60
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)
    assert [log.name for log in tmp_path.iterdir()] == [f"worker-{worker}.log"]
