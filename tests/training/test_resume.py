"""A run that is killed goes on where it stopped, and nobody can tell from its losses."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from marco_dag.training import (
    LoraConfig,
    ParallelConfig,
    RecipeConfig,
    SftConfig,
    TrainingSummary,
    train_recipe,
    train_sft,
)

# Adapters' dropout draws from the random state, so a resumed run must restore that too.
CONFIGS = {
    "sft": SftConfig(
        learning_rate=3e-3, epochs=16, batch_size=8, gradient_accumulation=2, max_tokens=128, checkpoint_every=7
    ),
    "recipe": RecipeConfig(
        description="a test", learning_rate=1e-3, epochs=16, batch_size=8, max_tokens=128, checkpoint_every=7,
        label_smoothing=0.2, sft_weight=1.0, prefix_masking="dpo", lora=LoraConfig(rank=4, dropout=0.2),
    ),
}  # fmt: skip
STEPS = 80
KILLED_AFTER = 14  # inside the third epoch of five steps

PROGRAM = """
import json, sys
from pathlib import Path
import polars as pl
from marco_dag.training import RecipeConfig, SftConfig, train_recipe, train_sft
stage, student, table, config, folder = sys.argv[1:]
train, kind = {"sft": (train_sft, SftConfig), "recipe": (train_recipe, RecipeConfig)}[stage]
train(Path(student), pl.read_parquet(table), kind.model_validate_json(config), seed=3, folder=Path(folder))
"""


def config_of(stage: str, processes: int) -> SftConfig | RecipeConfig:
    return CONFIGS[stage].model_copy(update={"parallel": ParallelConfig(processes=processes)})


def train(stage: str, student: Path, table: pl.DataFrame, folder: Path, processes: int = 1) -> TrainingSummary:
    run = {"sft": train_sft, "recipe": train_recipe}[stage]
    return run(student, table, config_of(stage, processes), seed=3, folder=folder)


def kill_after_first_states(stage: str, student: Path, table: Path, folder: Path, processes: int) -> None:
    """Train in a process of its own; kill it, and all it has started, with SIGKILL once it has saved a state or two."""
    import torch

    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, stage, student, table, config_of(stage, processes).model_dump_json(), folder],
        env=os.environ | ({"OMP_NUM_THREADS": str(torch.get_num_threads())} if processes == 1 else {}),
        stderr=subprocess.DEVNULL,
    )
    try:
        awaited = folder / "states" / f"checkpoint-{KILLED_AFTER}" / "trainer_state.json"
        while not awaited.exists():
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
    finally:
        everything = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        for started in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                started.kill()
        psutil.wait_procs(everything)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("stage", ["sft", "recipe"])
def test_a_killed_run_ends_with_the_same_losses_and_weights(tmp_path, student, cot_set, pairs, stage, processes):
    rows = cot_set if stage == "sft" else pairs
    rows.write_parquet(tmp_path / "rows.parquet")
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    expected = train(stage, student, rows, undisturbed, processes)
    assert expected.steps == STEPS

    kill_after_first_states(stage, student, tmp_path / "rows.parquet", killed, processes)
    saved = sorted((killed / "states").glob("checkpoint-*/trainer_state.json"))
    assert saved
    assert not (killed / "training.json").exists()
    resumed = train(stage, student, rows, killed, processes)

    assert resumed.curve.equals(expected.curve)
    assert resumed.tokens == expected.tokens
    weights = [(run / "model" / "model.safetensors").read_bytes() for run in (undisturbed, killed)]
    assert weights[0] == weights[1]
    assert not (killed / "states").exists()


def test_a_run_goes_on_from_its_state_and_does_not_begin_again(tmp_path, student, cot_set, monkeypatch):
    """The steps before the state come from the state: what it says they cost is what the curve says."""
    from marco_dag.training.trainers import SupervisedTrainer

    log = SupervisedTrainer.log

    def stop_at_step_9(trainer, *arguments):
        log(trainer, *arguments)
        if trainer.state.global_step == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(SupervisedTrainer, "log", stop_at_step_9)
    with pytest.raises(KeyboardInterrupt):
        train("sft", student, cot_set, tmp_path)
    monkeypatch.undo()

    (record,) = (tmp_path / "states").glob("checkpoint-*/trainer_state.json")
    state = json.loads(record.read_text())
    assert state["global_step"] == 7
    state["log_history"][0]["loss"] = 123.0
    record.write_text(json.dumps(state))
    assert train("sft", student, cot_set, tmp_path).curve["loss"][0] == 123.0
