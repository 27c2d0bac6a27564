"""How long our trainers take on packed trees, beside TRL's and beside ours on padded batches."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import Trainer

from benchmarks.figure import Figure
from benchmarks.search_load import PROFILE
from benchmarks.training_load import Harvest, Pass, trl_dpo
from marco_dag.training import train_recipe
from marco_dag.training.order import whole_tree_batches
from marco_dag.training.packing.trie import build_trie


def measure_pass(name: str, stage: Pass, repetitions: int) -> list[Figure]:
    """One pass packed, one by TRL, one padded by us, in turns."""
    tokens = sum(len(path) for paths in stage.paths for path in paths)
    trees = whole_tree_batches(stage.groups, 1)
    nodes = sum(len(build_trie([path for index in tree for path in stage.paths[index]])) for tree in trees)
    packed, trl, padded = [], [], []
    for _ in range(repetitions):
        packed.append(_seconds(lambda folder: stage.ours(folder, "tree")))
        trl.append(_seconds(stage.trl))
        padded.append(_seconds(lambda folder: stage.ours(folder, "none")))
    return [
        Figure(f"train.tree_{name}_speedup", "ratio", [slow / fast for slow, fast in zip(trl, packed, strict=True)]),
        Figure(f"train.tree_{name}_over_padded", "ratio", [a / b for a, b in zip(padded, packed, strict=True)]),
        Figure(f"train.tree_{name}_tokens_per_s", "tok/s", [tokens / seconds for seconds in packed]),
        Figure(f"train.trl_{name}_tokens_per_s", "tok/s", [tokens / seconds for seconds in trl]),
        Figure(f"train.{name}_sharing", "ratio", [tokens / nodes]),
        Figure(f"train.tree_{name}_loss_difference", "nats", _loss_differences(stage, repetitions)),
    ]


def _seconds(build: Callable[[Path], Trainer]) -> float:
    """What `train()` takes, without what it takes to build the trainer."""
    with tempfile.TemporaryDirectory(prefix="marco-bench-") as name:
        trainer = build(Path(name))
        start = time.perf_counter()
        trainer.train()
        return time.perf_counter() - start


def _loss_differences(stage: Pass, count: int) -> list[float]:
    """How far TRL's loss and ours are apart, on some batches of whole trees, by the same weights."""
    batches = whole_tree_batches(stage.groups, stage.config.batch_size)[:count]
    with tempfile.TemporaryDirectory(prefix="marco-bench-") as name:
        ours = _losses(stage.ours(Path(name), "tree"), batches)
        theirs = _losses(stage.trl(Path(name)), batches)
    return [abs(mine - other) for mine, other in zip(ours, theirs, strict=True)]


def _losses(trainer: Trainer, batches: Sequence[Sequence[int]]) -> list[float]:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)  # where policy and reference agree, DPO's is log 2
        return [
            float(
                trainer.compute_loss(trainer.model, trainer.data_collator([trainer.train_dataset[at] for at in batch]))
            )
            for batch in batches
        ]


def measure_stage(name: str, found: Harvest, repetitions: int) -> Figure:
    """The profile's plain DPO from a checkpoint to the next: reading, tokenizing, reference, steps, saving."""
    recipe = PROFILE.recipes["plain-dpo"].model_copy(update={"watch": None})  # TRL's trainer asks nothing meanwhile
    ratios = []
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory(prefix="marco-bench-") as folder:
            start = time.perf_counter()
            train_recipe(found.student, found.recipe_pairs, recipe, seed=0, folder=Path(folder) / "ours")
            middle = time.perf_counter()
            trainer = trl_dpo(found.student, found.recipe_pairs, recipe, Path(folder) / "trl")
            trainer.train()
            trainer.save_model()
            ratios.append((time.perf_counter() - middle) / (middle - start))
    return Figure(name, "ratio", ratios)
