"""Processes that train together are started for one call, meet on this machine alone, and are gone after it."""

import re
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from marco_dag.errors import TrainingError
from marco_dag.training import ParallelConfig, SftConfig, read_summary, train_sft
from marco_dag.training.job import Job
from marco_dag.training.launching import environment, needs_launch, processes_here

TWO = ParallelConfig(processes=2)
CONFIG = SftConfig(learning_rate=1e-2, epochs=2, batch_size=8, max_tokens=128, parallel=TWO)
LONG = CONFIG.model_copy(update={"epochs": 2000, "checkpoint_every": 2})

PROGRAM = """
import sys
from pathlib import Path
import polars as pl
from marco_dag.training import SftConfig, train_sft
student, table, config, folder = sys.argv[1:]
train_sft(Path(student), pl.read_parquet(table), SftConfig.model_validate_json(config), seed=5, folder=Path(folder))
"""


def ranks_of(process: psutil.Process) -> list[psutil.Process]:
    """The ranks that a process has started, in their order."""
    found = {}
    for started in process.children(recursive=True):
        try:
            if "marco_dag.training.worker" in started.cmdline() and "RANK" in (values := started.environ()):
                found[int(values["RANK"])] = started
        except psutil.Error:  # gone, or not there yet
            continue
    return [found[rank] for rank in sorted(found)]


def wait_until(condition: Callable[[], object], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_training(folder: Path) -> bool:
    return any(folder.glob("states/checkpoint-*/trainer_state.json"))


@pytest.mark.slow
def test_a_call_with_two_processes_leaves_what_one_leaves(tmp_path, student, cot_set):
    together = train_sft(student, cot_set, CONFIG, seed=5, folder=tmp_path / "together")
    alone_config = CONFIG.model_copy(update={"parallel": ParallelConfig()})
    alone = train_sft(student, cot_set, alone_config, seed=5, folder=tmp_path / "alone")

    assert together.curve["loss"].to_list() == pytest.approx(alone.curve["loss"].to_list(), abs=1e-5)
    assert (together.steps, together.tokens, together.examples) == (alone.steps, alone.tokens, alone.examples)
    files = [
        sorted(path.relative_to(folder) for path in folder.rglob("*"))
        for folder in (tmp_path / "together", tmp_path / "alone")
    ]
    assert files[0] == files[1]
    assert not ranks_of(psutil.Process())

    # A finished training is found, however many processes a call would have taken.
    again = train_sft(student, cot_set, alone_config, seed=5, folder=tmp_path / "together")
    assert again.curve.equals(together.curve)


@pytest.mark.slow
def test_ranks_listen_to_this_machine_alone_and_go_with_their_caller(tmp_path, student, cot_set):
    cot_set.write_parquet(tmp_path / "rows.parquet")
    folder = tmp_path / "run"
    arguments = [str(student), str(tmp_path / "rows.parquet"), LONG.model_dump_json(), str(folder)]
    caller = psutil.Popen([sys.executable, "-c", PROGRAM, *arguments], stderr=subprocess.DEVNULL)
    started: list[psutil.Process] = []
    try:
        wait_until(lambda: is_training(folder) or caller.poll() is not None)
        started = caller.children(recursive=True)
        assert len(ranks_of(caller)) == 2
        listening = [
            connection.laddr.ip
            for process in started
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert set(listening) == {"127.0.0.1"}
    finally:
        caller.kill()
        caller.wait()
    _, left = psutil.wait_procs(started, timeout=30)
    assert not left


@pytest.mark.slow
def test_what_a_rank_stops_for_is_what_the_call_raises(tmp_path, student, cot_set):
    exploding = CONFIG.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"step \d+: the (loss|grad norm) is (nan|inf); lower learning_rate"):
        train_sft(student, cot_set, exploding, seed=0, folder=tmp_path)


@pytest.mark.slow
def test_a_rank_that_is_killed_ends_all_and_is_reported(tmp_path, student, cot_set):
    def kill_the_second() -> None:
        wait_until(lambda: is_training(tmp_path))
        ranks_of(psutil.Process())[1].kill()

    killer = threading.Thread(target=kill_the_second)
    killer.start()
    with pytest.raises(TrainingError, match=r"training in 2 processes ended with status 1.*\n(.|\n)*SIGKILL"):
        train_sft(student, cot_set, LONG, seed=5, folder=tmp_path)
    killer.join()
    assert not ranks_of(psutil.Process())


@pytest.mark.slow
def test_two_nodes_meet_at_the_first_ones_endpoint(tmp_path, student, cot_set, capfd):
    """Both nodes are this machine, with one process each; what the first one asks for is typed in for the second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{probe.getsockname()[1]}"
    config = CONFIG.model_copy(update={"parallel": ParallelConfig(processes=1, nodes=2, endpoint=endpoint)})
    done = {}

    def first_node() -> None:
        done["summary"] = train_sft(student, cot_set, config, seed=5, folder=tmp_path / "two")

    first = threading.Thread(target=first_node)
    first.start()
    said = ""
    while not (asked := re.search(r"waits for 1 more nodes; on each of them: (.+)\n", said)):
        assert first.is_alive()
        time.sleep(0.1)
        said += capfd.readouterr().err
    second = subprocess.run(
        shlex.split(asked[1]), env=environment(config.parallel, {}) | {"PATH": ""}, capture_output=True, check=False
    )
    first.join()
    assert second.returncode == 0, second.stderr.decode()

    alone = CONFIG.model_copy(update={"parallel": ParallelConfig()})
    expected = train_sft(student, cot_set, alone, seed=5, folder=tmp_path / "one")
    assert done["summary"].curve["loss"].to_list() == pytest.approx(expected.curve["loss"].to_list(), abs=1e-5)
    weights, wanted = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("two", "one"))
    assert max((weights[name] - wanted[name]).abs().max().item() for name in wanted) < 1e-5
    assert read_summary(tmp_path / "two").steps == expected.steps


def test_one_process_stays_in_the_callers():
    assert processes_here(ParallelConfig()) == 1
    assert processes_here(ParallelConfig(processes=3)) == 3
    assert needs_launch(ParallelConfig(processes=2))
    assert needs_launch(ParallelConfig(processes=1, nodes=2, endpoint="first:29400"))


def test_auto_is_a_process_for_each_gpu_and_one_without_any():
    import torch

    assert processes_here(ParallelConfig(processes="auto")) == max(1, torch.cuda.device_count())


def test_a_call_from_within_torchrun_says_how_it_is_meant(tmp_path, student, cot_set, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(TrainingError, match="a rank of torchrun already; call once, and say how many in `parallel`"):
        train_sft(student, cot_set, CONFIG, seed=0, folder=tmp_path)


def test_a_job_is_plain_files(tmp_path, cot_set):
    job = Job(source=tmp_path, config=CONFIG, seed=5, folder=tmp_path, arguments={"stage": "sft"}, ranks=2)
    job.write(cot_set)
    assert {path.name for path in job.files.iterdir()} == {"job.json", "rows.parquet"}
    assert Job.read(job.path) == job
    assert job.rows.equals(cot_set)

    job.fail("the first reason")
    job.fail("what came of it")
    assert job.failure == "the first reason"
    job.write(cot_set)
    assert job.failure is None

    job.path.write_text("{")
    with pytest.raises(TrainingError, match=r"job\.json: no training's job can be read here"):
        Job.read(job.path)
