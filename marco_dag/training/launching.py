"""A training in several processes: torchrun starts a rank for each GPU, on this node and, if asked, on several.

What a rank does is `marco_dag.training.worker`'s. Nothing is handed over but files, JSON and Parquet, never a pickle.
The ranks of one node meet in a private folder and talk over the loopback device: nothing listens to the network.
"""

import os
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

import marco_dag
from marco_dag.errors import TrainingError
from marco_dag.guarded_process import GuardedProcess, describe_status
from marco_dag.training.config import ParallelConfig
from marco_dag.training.job import Job

_SECONDS_TO_END = 3
"""What ranks are given to end by themselves; less than torchrun has for ending them (`marco_dag.guardian`)."""


def processes_here(parallel: ParallelConfig) -> int:
    """Processes on this node: what `parallel` says, or for `auto` one for each GPU, at least one."""
    if parallel.processes != "auto":
        return parallel.processes
    return max(1, _gpus())


def needs_launch(parallel: ParallelConfig) -> bool:
    """Whether a training needs processes of its own.

    One among several GPUs does, too: transformers would spread a model of this process over all of them.
    """
    return processes_here(parallel) * parallel.nodes > 1 or _gpus() > 1


def launch(job: Job, rows: pl.DataFrame, asked: pl.DataFrame | None = None) -> None:
    """Train `job` on `rows` in its processes, watched by `asked` if any; returns once model and summary are there.

    Whatever ends this process or the call ends all of them. TrainingError: what a rank says it stopped for, or how
    torchrun ended, with the last lines.
    """
    job.write(rows, asked)
    parallel = job.config.parallel
    with tempfile.TemporaryDirectory(prefix="marco-ranks-") as meeting:
        worker = ["--module", "marco_dag.training.worker", where(parallel, Path(meeting)), str(job.path)]
        command = [*torchrun(parallel, Path(meeting), name=job.folder.name), *worker]
        if parallel.nodes > 1:
            _say(f"training waits for {parallel.nodes - 1} more nodes; on each of them: {shlex.join(command)}")
        with GuardedProcess(command, environment(parallel, os.environ)) as process:
            for line in process.lines():
                _say(line.decode(errors="replace").rstrip())
            status = process.wait()
    if job.refusal is not None:
        raise TrainingError(job.refusal)
    if status:
        broken = "" if job.failure is None else f" ({job.failure})"
        raise TrainingError(
            f"training in {job.ranks} processes {describe_status(status)}{broken}; what it wrote ends:\n{process.tail}"
        )
    shutil.rmtree(job.files)


def torchrun(parallel: ParallelConfig, meeting: Path, *, name: str) -> Sequence[str]:
    """How this node's ranks are started, up to the program that each runs; `name` is the training's own.

    Those of one node meet in the folder `meeting`, several nodes at their endpoint.
    """
    words = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(parallel.nodes)]
    words += ["--nproc-per-node", str(processes_here(parallel)), "--shutdown-timeout", str(_SECONDS_TO_END)]
    words += ["--rdzv-backend", "c10d", "--rdzv-id", name, "--local-ranks-filter", "0"]
    if parallel.nodes > 1:
        return [*words, "--rdzv-endpoint", str(parallel.endpoint)]
    here = ["--rdzv-endpoint", str(meeting / "nodes"), "--rdzv-conf", "store_type=file", "--local-addr", "127.0.0.1"]
    return [*words, *here]


def where(parallel: ParallelConfig, meeting: Path) -> str:
    """Where the ranks that `torchrun` starts find one another."""
    return "env://" if parallel.nodes > 1 else f"file://{meeting / 'ranks'}"


def environment(parallel: ParallelConfig, own: Mapping[str, str]) -> dict[str, str]:
    """The environment that `torchrun` is started in: `own`, and what keeps one node's ranks on the loopback device."""
    library = str(Path(marco_dag.__file__).parents[1])
    values = {"PYTHONPATH": os.pathsep.join(filter(None, (library, own.get("PYTHONPATH")))), "PYTHONUNBUFFERED": "1"}
    if "OMP_NUM_THREADS" not in own:
        values["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes_here(parallel)))
    if parallel.nodes == 1:
        loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
        values |= {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback}
        values["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # it would listen on every interface
    return {**own, **values}


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
