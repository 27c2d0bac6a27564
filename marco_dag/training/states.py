"""Training states: what a killed run goes on from, and which training they belong to."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from marco_dag.errors import TrainingError
from marco_dag.identity import JsonValue
from marco_dag.training.summary import read_arguments

_ARGUMENTS = "arguments.json"
_PARTS = ("trainer_state.json", "scheduler.pt", "*optimizer.pt", "rng_state*.pth")
SHARDED_OPTIMIZER = "sharded-optimizer.pt"
"""The optimizer's file in the state of a sharded model; without sharding it is transformers' own."""


def claim_states(folder: Path, arguments: Mapping[str, JsonValue]) -> Path:
    """The folder of states below `folder`, ready for a training called with `arguments`.

    TrainingError if `folder` already holds another training: its states or its model would be taken for this one's.
    """
    states = folder / "states"
    states.mkdir(parents=True, exist_ok=True)
    record = states / _ARGUMENTS
    found = json.loads(record.read_text()) if record.is_file() else read_arguments(folder)
    if found is not None and found != dict(arguments):
        differing = sorted(name for name in {*found, *arguments} if found.get(name) != arguments.get(name))
        raise TrainingError(
            f"{folder}: holds a training with other {', '.join(differing)}; use another folder, or delete this one"
        )
    partial = record.with_name(f"{_ARGUMENTS}.partial")
    partial.write_text(json.dumps(dict(arguments)))
    partial.rename(record)
    return states


def last_whole_state(states: Path, *, sharded: bool = False) -> Path | None:
    """The newest state that was written to its end; None if there is none.

    TrainingError if it is not of a model that is (`sharded`) or is not spread over the ranks as the one to go on with.
    """
    state = next((state for _, state in whole_states(states)), None)
    if state is not None and (state / SHARDED_OPTIMIZER).is_file() != sharded:
        raise TrainingError(
            f"{state}: saved {'without' if sharded else 'with'} sharding; go on with parallel.sharding "
            f"{'none' if sharded else 'fsdp'}, or delete {states} to begin again"
        )
    return state


def whole_states(states: Path) -> Iterator[tuple[int, Path]]:
    """The states that were written to their end, the newest first, each with the optimizer step it was saved after."""
    numbered = {int(path.name.rpartition("-")[2]): path for path in states.glob("checkpoint-*")}
    yield from ((step, numbered[step]) for step in sorted(numbered, reverse=True) if _is_whole(numbered[step]))


def drop_states(folder: Path) -> None:
    """Remove the states of a finished training."""
    shutil.rmtree(folder / "states", ignore_errors=True)


def _is_whole(state: Path) -> bool:
    # The Trainer writes trainer_state.json last: if it can be read to its end, the rest was written before it.
    if not all(any(state.glob(part)) for part in _PARTS):
        return False
    try:
        json.loads((state / "trainer_state.json").read_text())
    except ValueError:
        return False
    return True
