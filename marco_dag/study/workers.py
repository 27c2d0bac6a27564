"""Makes all cells of several seeds, some processes at once, with one bar and an ETA.

Each process has one thread, so that the weights are the same however many processes there are. A cell that fails says
why and leaves the others alone.
"""

import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from marco_dag.errors import StudyError
from marco_dag.progress import progress
from marco_dag.study.materials import Study
from marco_dag.study.runs import Run
from marco_dag.study.variants import BASE, SFT

_LOG = logging.getLogger(__name__)

_WEIGHTS: Mapping[str, int] = {BASE: 6, SFT: 4, "sft-samples": 3, "sft-long-cot": 2, "on-policy": 3}
"""What a cell costs with what it is the first to need, one second stage with its answers being 1: for the ETA alone."""


def make_cells(study: Study, seeds: Sequence[int], cells: Sequence[str], *, workers: int) -> Mapping[str, str]:
    """Make `cells` (of `runs.cells_of`) of every seed in `workers` ≥ 1 processes; what they say goes below the logs.

    What was made before is found again. Returns why cells failed, by "cell, seed N". StudyError where a worker died, as
    it does when memory runs out.
    """
    study.logs.mkdir(parents=True, exist_ok=True)
    # What others wait for comes first, so that hardly ever two workers want the same piece at once.
    first = [cell for cell in (BASE, SFT) if cell in cells]
    jobs = [(seed, cell) for cell in first for seed in seeds]
    jobs += [(seed, cell) for seed in seeds for cell in cells if cell not in first]
    failed: dict[str, str] = {}
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=begin, initargs=(study.logs,)
    )
    try:
        with progress("study", sum(_WEIGHTS.get(cell, 1) for _, cell in jobs), "pieces") as bar:
            waiting = {pool.submit(_make, study, seed, cell): (seed, cell) for seed, cell in jobs}
            for done in as_completed(waiting):
                seed, cell = waiting[done]
                if why := done.result():
                    failed[f"{cell}, seed {seed}"] = why
                bar.advance(_WEIGHTS.get(cell, 1), last=f"{cell} of seed {seed}", failed=len(failed))
    except BrokenProcessPool as error:
        raise StudyError(
            f"a worker of the study died ({error}); the last lines of its log in {study.logs} say more. If memory ran "
            "out, take fewer workers; then call again, and it goes on"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    return failed


def _make(study: Study, seed: int, cell: str) -> str:
    """Why the cell could not be made; "" where it was."""
    try:
        Run(study, seed).cell(cell).get()
    except Exception as error:
        _LOG.exception("%s of seed %d", cell, seed)
        return f"{type(error).__name__}: {error}"
    return ""


def begin(logs: Path) -> None:
    """In a worker, before its first cell."""
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
