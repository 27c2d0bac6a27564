"""Workers of the second-stage experiment end with the process that started them, also where it was killed."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from experiments.second_stage.runs import Experiment, Run
from experiments.second_stage.variants import PROFILE, VARIANTS
from experiments.second_stage.workers import make_everything

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


@pytest.mark.slow
def test_an_error_is_raised_with_its_piece_and_ends_the_work(tmp_path):
    """No model can be made where its folder is a file."""
    (tmp_path / "models").write_text("in the way")
    experiment = Experiment(PROFILE, VARIANTS, tmp_path)
    runs = [Run(experiment, seed, teacher=0) for seed in range(8)]
    with pytest.raises(OSError, match="models") as raised:
        make_everything(runs, workers=1, logs=tmp_path / "logs")
    assert raised.value.__notes__ == ["while making sft of seed 0"]
