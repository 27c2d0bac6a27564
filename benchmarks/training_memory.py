"""What a few training steps add to the memory of a process: packed rows and padded batches of the same whole trees.

Each measurement is a process of its own (`python -m benchmarks.training_memory --help`): what an earlier one freed, the
allocator would keep, and hide the next one's peak.
"""

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from transformers import Trainer

from benchmarks.figure import Figure
from benchmarks.training_load import PASSES, Packing
from marco_dag.training.order import whole_tree_batches

_STEPS = 5


def measure_memory(name: str, stage: str, student: Path, rows: pl.DataFrame, repetitions: int) -> Figure:
    """The peak of packed steps over that of padded ones, each above what the process held before."""
    ratios = []
    with tempfile.TemporaryDirectory(prefix="marco-bench-") as folder:
        table = Path(folder) / "rows.parquet"
        rows.write_parquet(table)
        for _ in range(repetitions):
            tree, padded = (_run(stage, packing, student, table) for packing in ("tree", "none"))
            ratios.append(tree / padded)
    return Figure(name, "ratio", ratios)


def _run(stage: str, packing: str, student: Path, table: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.training_memory", stage, packing, str(student), str(table)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(json.loads(done.stdout)["added_mib"])


def _added_mib(trainer: Trainer, batches: Sequence[Sequence[int]]) -> float:
    """The most that forward, backward and optimizer of `batches` add to this process, MiB."""
    optimizer = trainer.create_optimizer()
    trainer.model.train()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = _status_mib("VmRSS")
    for batch in batches:
        inputs = trainer.data_collator([trainer.train_dataset[index] for index in batch])
        trainer.compute_loss(trainer.model, inputs).backward()
        optimizer.step()
        optimizer.zero_grad()
    return _status_mib("VmHWM") - before


def _status_mib(field: str) -> float:
    return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0]) / 1024


def main() -> None:
    """Take a few steps in this process and print, as JSON, what they added to its memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_memory", description=main.__doc__)
    parser.add_argument("stage", choices=PASSES)
    parser.add_argument("packing", choices=("tree", "none"))
    parser.add_argument("student", type=Path)
    parser.add_argument("rows", type=Path)
    chosen = parser.parse_args()
    packing: Packing = chosen.packing
    stage = PASSES[chosen.stage](chosen.student, pl.read_parquet(chosen.rows))
    batches = whole_tree_batches(stage.groups, stage.config.batch_size)[:_STEPS]
    with tempfile.TemporaryDirectory(prefix="marco-bench-") as folder:
        print(json.dumps({"added_mib": _added_mib(stage.ours(Path(folder), packing), batches)}))


if __name__ == "__main__":
    main()
