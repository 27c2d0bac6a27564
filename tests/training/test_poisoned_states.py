"""States of a killed training that somebody has tampered with: what is in them is read as data, and never run."""

import os
from pathlib import Path
from pickle import UnpicklingError

import polars as pl
import pytest
import torch

from marco_dag.training import SftConfig, train_sft

CONFIG = SftConfig(learning_rate=3e-3, epochs=2, batch_size=8, max_tokens=128, checkpoint_every=3)


class Poison:
    """Runs a command when it is unpickled the ordinary way."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def killed(tmp_path: Path, student: Path, cot_set: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a training that was stopped after its first state."""
    from marco_dag.training.trainers import SupervisedTrainer

    log = SupervisedTrainer.log

    def stop_after_the_state(trainer: SupervisedTrainer, *arguments: object) -> None:
        log(trainer, *arguments)
        if trainer.state.global_step == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(SupervisedTrainer, "log", stop_after_the_state)
    with pytest.raises(KeyboardInterrupt):
        train_sft(student, cot_set, CONFIG, seed=3, folder=tmp_path / "run")
    monkeypatch.undo()
    return tmp_path / "run"


def test_the_poison_works_on_whoever_unpickles_it(tmp_path: Path):
    torch.save(Poison(tmp_path / "poisoned"), tmp_path / "state.pt")
    torch.load(tmp_path / "state.pt", weights_only=False)
    assert (tmp_path / "poisoned").is_dir()


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_pickle_in_a_state_is_refused_and_not_run(
    name: str, killed: Path, student: Path, cot_set: pl.DataFrame, tmp_path: Path
):
    [state] = (killed / "states").glob("checkpoint-*")
    torch.save(Poison(tmp_path / "poisoned"), state / name)
    with pytest.raises(UnpicklingError, match="Weights only load failed"):
        train_sft(student, cot_set, CONFIG, seed=3, folder=killed)
    assert not (tmp_path / "poisoned").exists()


def test_the_pickle_that_the_trainer_leaves_beside_its_state_is_never_read(
    killed: Path, student: Path, cot_set: pl.DataFrame, tmp_path: Path
):
    [state] = (killed / "states").glob("checkpoint-*")
    torch.save(Poison(tmp_path / "poisoned"), state / "training_args.bin")
    train_sft(student, cot_set, CONFIG, seed=3, folder=killed)
    assert not (tmp_path / "poisoned").exists()
