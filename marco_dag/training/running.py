"""One rank's part in a training: load, train, save. Alone it is all of it.

What a call means, and whether there is anything to do, is `marco_dag.training.stages`'; more ranks than this one are
started by `marco_dag.training.launching`.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from marco_dag.errors import TrainingError
from marco_dag.identity import JsonValue
from marco_dag.progress import progress
from marco_dag.training.config import RecipeConfig, SftConfig
from marco_dag.training.examples import pair_examples, sft_examples
from marco_dag.training.rendering import check_tokenizer
from marco_dag.training.states import last_whole_state
from marco_dag.training.summary import TrainingSummary, write_summary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer

_LOGGED = ("step", "loss", "learning_rate", "grad_norm", "tokens")
_UNLOGGED = ("epoch",)


def run(
    source: Path,
    rows: pl.DataFrame,
    config: SftConfig | RecipeConfig,
    *,
    seed: int,
    folder: Path,
    arguments: Mapping[str, JsonValue],
    asked: pl.DataFrame | None = None,
) -> None:
    """Train the checkpoint in `source` on `rows` and leave model and summary in `folder`, which is claimed already.

    Goes on from the last state there. `asked`: the questions to watch, if any. `arguments` are recorded in the summary.
    Raises TrainingError as `train_sft`.
    """
    from marco_dag.training import models
    from marco_dag.training.sharding import is_sharded
    from marco_dag.training.trainers import ProgressBar
    from marco_dag.training.watching import Watch

    start = time.perf_counter()
    title = config.description if isinstance(config, RecipeConfig) else "SFT"
    with models.without_foreign_bars():
        tokenizer = models.load_tokenizer(source)
        check_tokenizer(tokenizer, source)
        examples, dropped = _examples(rows, tokenizer, config)
        if not examples:
            reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
            raise TrainingError(f"every example was dropped ({reasons}); raise max_tokens or mend the data")
        states = folder / "states"
        model = models.load_student(source, tokenizer, config)
        trainer = _assemble(config, model, tokenizer, examples, seed=seed, states=states)
        watch = None
        if config.watch is not None and asked is not None:
            watch = Watch(config.watch, asked, tokenizer, seed=seed, states=states)
            trainer.add_callback(watch)
        with progress(title, trainer.args.max_steps, "step") as bar:
            trainer.add_callback(ProgressBar(bar))
            state = last_whole_state(states, sharded=is_sharded(model))
            trainer.train(resume_from_checkpoint=str(state) if state else None)
        looks = watch.finish(trainer.model, trainer.state) if watch else None
        models.save_student(trainer.model, tokenizer, source, config, folder / "model")
    if not trainer.is_world_process_zero():
        return
    curve = _curve(trainer.state.log_history)
    summary = TrainingSummary(
        steps=trainer.state.global_step,
        tokens=int(curve["tokens"].sum()),
        examples=len(examples),
        seconds=time.perf_counter() - start,
        curve=curve,
        dropped=dropped,
        watch=looks,
        stopped=watch.why_stopped(trainer.state) if watch else None,
    )
    write_summary(summary, arguments, folder)


def _examples(
    rows: pl.DataFrame, tokenizer: "PreTrainedTokenizerBase", config: SftConfig | RecipeConfig
) -> tuple[Sequence[Any], dict[str, int]]:
    if isinstance(config, RecipeConfig):
        return pair_examples(rows, tokenizer, config.max_tokens)
    return sft_examples(rows, tokenizer, config.max_tokens)


def _assemble(config: SftConfig | RecipeConfig, *model: Any, **run: Any) -> "Trainer":  # noqa: ANN401
    from marco_dag.training.assembly import preference_trainer, supervised_trainer

    if isinstance(config, RecipeConfig):
        return preference_trainer(config, *model, **run)
    return supervised_trainer(config, *model, **run)


def _curve(history: Sequence[Mapping[str, float]]) -> pl.DataFrame:
    """The Trainer's log as a table, one row an optimizer step."""
    rows = [entry for entry in history if "loss" in entry]
    # Sorted, because a state that was read back has them sorted and a fresh log has not.
    metrics = sorted(rows[0].keys() - {*_LOGGED, *_UNLOGGED})
    whole = pl.col("step", "tokens").cast(pl.Int64)
    return (
        pl.DataFrame(rows).select(*_LOGGED, *metrics).with_columns(whole, pl.exclude("step", "tokens").cast(pl.Float64))
    )
