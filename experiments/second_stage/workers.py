"""Makes all pieces of all runs, some processes at once, with one bar and an ETA.

The unit of work is a checkpoint with its scores. Each process has one thread, so that the weights are the same however
many processes there are.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from experiments.second_stage.runs import Run
from experiments.second_stage.variants import SFT
from marco_dag.progress import progress

_MATERIAL_WEIGHT = 4
"""A seed's trees and SFT take about as long as so many variants with their scores."""


def make_everything(runs: Sequence[Run], *, workers: int, logs: Path) -> None:
    """Every checkpoint of every run, scored, in `workers` ≥ 1 processes; what they say goes to files below `logs`.

    What was made before is found again. The first error is raised once what workers were given has ended; nothing else
    is begun.
    """
    logs.mkdir(parents=True, exist_ok=True)
    # SFT first: the variants of a seed wait for its trees, and none should wait while there is other work.
    jobs = [(run, SFT, _MATERIAL_WEIGHT) for run in runs]
    jobs += [(run, name, 1) for run in runs for name in run.experiment.variants]
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=begin, initargs=(logs,)
    )
    try:
        with progress("second stage", sum(weight for *_, weight in jobs), "pieces") as bar:
            waiting = {pool.submit(_score, run, name): weight for run, name, weight in jobs}
            for done in as_completed(waiting):
                bar.advance(waiting[done], last=done.result())
    finally:
        pool.shutdown(cancel_futures=True)


def _score(run: Run, name: str) -> str:
    piece = f"{name} of seed {run.seed}"
    try:
        run.scores(name)
    except Exception as error:
        error.add_note(f"while making {piece}")
        raise
    return piece


def begin(logs: Path) -> None:
    """In a worker, before its first piece."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = os.open(logs / f"worker-{os.getpid()}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(log, sys.stderr.fileno())
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """A parent that was killed can tell its workers nothing; what they have under way goes on in the next call."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
