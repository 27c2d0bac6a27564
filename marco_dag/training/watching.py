"""The dial: while a model trains, it answers a few held-out questions, and training heeds how many get no answer.

Looks never change what is trained: no random state is drawn from, modes are put back, weights are only read. What the
looks amount to is decided in `marco_dag.training.looks`; each look stands in the Trainer's log and so in every saved
state. In a parallel run each process answers its share of the questions and all decide alike; each must hold the whole
model.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import torch
import torch.distributed
from torch import nn
from transformers import PreTrainedTokenizerBase, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from marco_dag.engines import Completion, TransformersConfig, complete_all
from marco_dag.engines.transformers_engine import TransformersEngine
from marco_dag.errors import EngineError, TrainingError
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.evaluation.conversations import Conversation, held_out_conversations
from marco_dag.evaluation.marking import mark
from marco_dag.identity import derive_seed
from marco_dag.training.config import WatchConfig
from marco_dag.training.keeping import KeptWeights
from marco_dag.training.looks import Course, Look, follow, say_climb, watch_table

_LOG = logging.getLogger(__name__)


class Watch(TrainerCallback):
    """Looks at the model before the first step, every `config.every_steps`, and after the last.

    `questions` (schemas.SEED_PROMPTS) are asked as they stand; `seed` decides the samples; `states` is the folder of
    the run's training states, which the weights that may turn out best are kept in.
    """

    def __init__(
        self,
        config: WatchConfig,
        questions: pl.DataFrame,
        tokenizer: PreTrainedTokenizerBase,
        *,
        seed: int,
        states: Path,
    ) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._kept = KeptWeights(states)
        self._states = states
        how = EvaluationConfig(max_tokens=config.max_tokens, temperature=config.temperature)
        conversations = held_out_conversations(questions, how, derive_seed("watch", seed))
        self._conversations = [each for each in conversations if each.decoding == "sampled"]

    def on_train_begin(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **trainer: object
    ) -> None:
        if state.global_step == 0:
            self._look(args, state, control, trainer)

    def on_log(  # noqa: D102
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **trainer: object,
    ) -> None:
        # Behind the step's own entry: by then the loss is known to be a number, and no state was saved yet.
        if not logs or "loss" not in logs:
            return
        if state.global_step % self._config.every_steps == 0 or state.global_step >= state.max_steps:
            self._look(args, state, control, trainer)

    def on_save(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **trainer: object
    ) -> None:
        del args, control, trainer
        if state.is_world_process_zero:
            # Each state that a killed run may go on from needs the weights that were the best then.
            saved = [int(folder.name.rpartition("-")[2]) for folder in self._states.glob("checkpoint-*")]
            self._kept.keep_only({self._course(state, until=step).best.step for step in saved})

    def finish(self, model: nn.Module, state: TrainerState) -> pl.DataFrame:
        """The looks (marco_dag.training.looks.WATCH); `model` now has the weights that are to be saved."""
        course = self._course(state)
        if course.goes_back and state.is_world_process_zero:
            self._kept.restore(model, course.best.step)
        return watch_table(course)

    def why_stopped(self, state: TrainerState) -> str | None:
        """Why the run ended before its last step; None where it did not."""
        course = self._course(state)
        early = course.stopped and state.global_step < state.max_steps
        return say_climb(course, state.max_steps, self._config) if early else None

    def _look(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, trainer: Mapping[str, Any]
    ) -> None:
        model: nn.Module = trainer["model"]
        share = self._conversations[args.process_index :: args.world_size]
        look = Look(state.global_step, *_summed(self._answer(model, share, state.global_step), args.device))
        state.log_history.append(look.to_log())
        course = self._course(state)
        if course.climbed[-1] and not course.climbed[-2] and state.is_world_process_zero:
            _LOG.warning(say_climb(course, state.max_steps, self._config))
        if len(course.scales) > 1 and course.scales[-1] != course.scales[-2]:
            _scale_learning_rate(trainer["optimizer"], trainer["lr_scheduler"], course.scales[-1] / course.scales[-2])
        if course.stopped:
            control.should_training_stop = True
            # A state of this step would be one to go on from.
            control.should_save = False
        may_be_needed = self._config.keep == "best" and state.global_step < state.max_steps
        if course.best == look and may_be_needed and state.is_world_process_zero:
            self._kept.save(model, look.step)

    def _course(self, state: TrainerState, until: int | None = None) -> Course:
        looks = Look.all_from_log(state.log_history)
        planned = 2 + (state.max_steps - 1) // self._config.every_steps
        return follow([look for look in looks if until is None or look.step <= until], planned, self._config)

    def _answer(self, model: nn.Module, conversations: Sequence[Conversation], step: int) -> list[int]:
        """Of the answers to `conversations`: all, without an answer, clipped, correct, and their sampled tokens."""
        with _answering(model) as language_model:
            try:
                completions = self._complete(language_model, conversations)
            except EngineError as error:
                raise TrainingError(
                    f"step {step}: the watched questions could not be answered: {error}; "
                    "see watch.max_tokens and watch.max_live_sequences"
                ) from error
        marks = [mark(each, 0, completion) for each, completion in zip(conversations, completions, strict=True)]
        return [
            len(marks),
            sum(not row["answered"] for row in marks),
            sum(bool(row["clipped"]) for row in marks),
            sum(bool(row["correct"]) for row in marks),
            sum(completion.tokens for completion in completions),
        ]

    def _complete(self, model: Any, conversations: Sequence[Conversation]) -> list[Completion]:  # noqa: ANN401
        # No two questions share a prefix worth remembering.
        config = TransformersConfig(max_live_sequences=self._config.max_live_sequences, prefix_cache_mb=0)
        engine = TransformersEngine(model, self._tokenizer, config, model_digest="in training")

        async def ask() -> list[Completion]:
            answered = await complete_all(engine, [each.request([]) for each in conversations])
            return [completion for [completion] in answered]

        # In a thread of its own, because training may have been called where an event loop runs: in a notebook.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, ask()).result()


@contextlib.contextmanager
def _answering(model: nn.Module) -> Iterator[nn.Module]:
    """The language model itself, adapters in place, in evaluation mode; each module's mode is put back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    finally:
        for module, training in modes:
            module.training = training


def _summed(counts: Sequence[int], device: torch.device) -> list[int]:
    """The sums over the processes of a parallel run, the same in each."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return list(counts)
    total = torch.tensor(counts, dtype=torch.long, device=device)
    torch.distributed.all_reduce(total)
    return [int(count) for count in total.tolist()]


def _scale_learning_rate(optimizer: Any, scheduler: Any, factor: float) -> None:  # noqa: ANN401
    """Multiply the learning rate of the next step, and of all steps that the schedule still has, by `factor`.

    Through the schedule's base rates, which are part of its saved state.
    """
    schedule = getattr(scheduler, "scheduler", scheduler)  # accelerate wraps it
    schedule.base_lrs = [rate * factor for rate in schedule.base_lrs]
    for group in optimizer.param_groups:
        group["lr"] *= factor
    schedule._last_lr = [group["lr"] for group in optimizer.param_groups]  # what the log shows
