"""Whether a training is still sound: its loss and gradient are finite numbers, and its loss has not exploded.

Rules over the Trainer's log, one entry an optimizer step. They stop nothing themselves (`marco_dag.training.trainers`).
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from marco_dag.training.states import whole_states

Step: TypeAlias = Mapping[str, float]
"""What was logged of a step: `loss`, `grad_norm`; other entries of the log have no `loss` and are passed over."""

WINDOW = 5
"""Steps whose median loss is judged, so that two hard batches among them are no explosion."""

_LEAST_LEVEL = 1.0
"""Nats. A first batch that was learnt long ago says nothing of the next ones: below this its loss is no measure."""


def fault_of_step(history: Sequence[Step], step: Step, max_loss_rise: float) -> str | None:
    """What is wrong with the optimizer step logged as `step`, `history` being the log before it; None if nothing is.

    Wrong is a loss or a gradient norm that is no finite number, and an explosion: the median loss of the last `WINDOW`
    steps is over `max_loss_rise` (> 1) times the loss of the first step, which is that of the weights that training
    started from, or times one nat if that is more.
    """
    for name in ("loss", "grad_norm"):
        if not math.isfinite(step.get(name, 0.0)):
            return f"the {name.replace('_', ' ')} is {step[name]}"
    recent = [step["loss"], *islice(_losses(reversed(history)), WINDOW - 1)]
    start = _loss_at_the_start(history, step)
    if len(recent) == WINDOW and (median := statistics.median(recent)) > max_loss_rise * start:
        return (
            f"the loss exploded: the median of the last {WINDOW} steps is {median:.3g}, over {max_loss_rise:g} "
            f"(max_loss_rise) times the {start:.3g} of the start"
        )
    return None


def last_sound_state(states: Path, history: Sequence[Step], step: Step, max_loss_rise: float) -> Path | None:
    """The newest whole state in `states` whose weights gave a sound loss in the step after it; None if there is none.

    Sound is what `fault_of_step`, called with the same, would not stop at if it went on for `WINDOW` steps.
    """
    losses = [*_losses(history), step["loss"]]  # losses[n] is that of the weights after n steps
    highest = max_loss_rise * _loss_at_the_start(history, step)
    return next((state for steps, state in whole_states(states) if losses[steps] <= highest), None)


def _losses(log: Iterable[Step]) -> Iterator[float]:
    return (entry["loss"] for entry in log if "loss" in entry)


def _loss_at_the_start(history: Sequence[Step], step: Step) -> float:
    return max(next(_losses(history), step["loss"]), _LEAST_LEVEL)
