"""The two stages: SFT on the base student, then a recipe on the SFT checkpoint.

Wires data, trainer, states and summary together. The losses are in `marco_dag.training.objectives`, what TRL is made to
do in `marco_dag.training.trainers`. torch and TRL are imported by the calls, never by this module.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from marco_dag.errors import TrainingError
from marco_dag.identity import JsonValue, digest_folder, digest_json
from marco_dag.progress import progress
from marco_dag.schemas import conform, digest_frame
from marco_dag.training.config import RecipeConfig, SftConfig, StageConfig
from marco_dag.training.examples import pair_examples, sft_examples
from marco_dag.training.rendering import check_tokenizer
from marco_dag.training.states import claim_states, drop_states, last_whole_state
from marco_dag.training.summary import TrainingSummary, read_arguments, read_summary, write_summary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer

TRAINING_VERSION = "1"
"""Raised whenever the same arguments would give other weights; part of what a checkpoint is keyed by."""

_LOGGED = ("step", "loss", "learning_rate", "grad_norm", "tokens")
_UNLOGGED = ("epoch", "num_tokens")

_Examples: TypeAlias = tuple[Sequence[Any], dict[str, int]]
_MakeExamples: TypeAlias = "Callable[[PreTrainedTokenizerBase], _Examples]"
_Assemble: TypeAlias = "Callable[..., Trainer]"


def train_sft(
    student: Path,
    cot_set: pl.DataFrame,
    config: SftConfig,
    *,
    seed: int,
    folder: Path,
    watched: pl.DataFrame | None = None,
) -> TrainingSummary:
    """Fine-tune the checkpoint in `student` on a CoT set (schemas.COT_SET) and save it to `folder/"model"`.

    Loss: −log π of the completion's tokens given the prompt, their mean over an optimizer step. The rows' order does
    not matter; `seed`, in [0, 2**31), decides the order of training and the adapters. The same arguments give the same
    weights, byte for byte on one machine. On a folder that a killed call left, training goes on from its last state and
    ends with the same losses; on a finished one the summary is read.

    `config.watch` needs `watched`, questions (schemas.SEED_PROMPTS) that are neither trained on nor scored; the first
    `config.watch.prompts` are asked.

    Raises TrainingError: nothing to train on, an unusable checkpoint or tokenizer, a folder that holds another
    training, a chat template that renders a prompt otherwise once an answer follows it; and, while it runs, a loss that
    is no finite number or has exploded (`config.max_loss_rise`), naming the step, its examples and the last good state.
    """
    rows = conform(cot_set, "cot_set")
    if rows.is_empty():
        raise TrainingError(
            "the CoT set is empty: no prompt has a correct chain within curation.max_chain_tokens; "
            "grow more trees (search.rollouts, seeds) or raise that limit"
        )

    def make_examples(tokenizer: "PreTrainedTokenizerBase") -> _Examples:
        return sft_examples(rows, tokenizer, config.max_tokens)

    def assemble(*model: Any, **run: Any) -> "Trainer":  # noqa: ANN401
        from marco_dag.training.assembly import supervised_trainer

        return supervised_trainer(config, *model, **run)

    asked = _asked(config, watched)
    arguments = _arguments("sft", student, rows, config, seed, asked)
    return _train("SFT", student, config, arguments, make_examples, assemble, asked, seed=seed, folder=folder)


def train_recipe(
    sft: Path,
    pairs: pl.DataFrame,
    recipe: RecipeConfig,
    *,
    seed: int,
    folder: Path,
    watched: pl.DataFrame | None = None,
) -> TrainingSummary:
    """Train the checkpoint in `sft` on preference pairs (schemas.PREFERENCE_PAIRS) and save it to `folder/"model"`.

    Of `pairs`, those with `chosen_rank` equal to `recipe.chosen` are used. Loss, a mean over the pairs of an optimizer
    step: w·L_pref + α·L_SFT(chosen) (paper §3.3; `marco_dag.training.objectives`), the reference being `sft` itself,
    whose log-probabilities are computed once beforehand. Recipes on the same pairs, seed and batch size take the same
    pairs in the same order. Otherwise as `train_sft`.
    """
    rows = conform(pairs, "preference_pairs").filter(pl.col("chosen_rank") == recipe.chosen)
    if rows.is_empty():
        raise TrainingError(
            f"there is no preference pair whose chosen chain is the {recipe.chosen}: no tree has a correct and a wrong "
            "chain within curation.max_chain_tokens; grow more trees (search.rollouts, seeds), or ask preference_pairs "
            "for this rank"
        )
    if recipe.smoothing_from == "pair" and rows["label_smoothing"].is_null().all():
        raise TrainingError(
            "smoothing_from is pair, but no pair has a label_smoothing of its own; have curation fill that column, or "
            "set smoothing_from to recipe"
        )

    def make_examples(tokenizer: "PreTrainedTokenizerBase") -> _Examples:
        return pair_examples(rows, tokenizer, recipe.max_tokens)

    def assemble(*model: Any, **run: Any) -> "Trainer":  # noqa: ANN401
        from marco_dag.training.assembly import preference_trainer

        return preference_trainer(recipe, *model, **run)

    asked = _asked(recipe, watched)
    arguments = _arguments("recipe", sft, rows, recipe, seed, asked)
    return _train(recipe.description, sft, recipe, arguments, make_examples, assemble, asked, seed=seed, folder=folder)


def _train(
    title: str,
    source: Path,
    config: StageConfig,
    arguments: Mapping[str, JsonValue],
    make_examples: _MakeExamples,
    assemble: _Assemble,
    asked: pl.DataFrame | None,
    *,
    seed: int,
    folder: Path,
) -> TrainingSummary:
    states = claim_states(folder, arguments)
    if read_arguments(folder) is not None:
        drop_states(folder)
        return read_summary(folder)

    from marco_dag.training import models
    from marco_dag.training.trainers import ProgressBar
    from marco_dag.training.watching import Watch

    start = time.perf_counter()
    with models.without_foreign_bars():
        tokenizer = models.load_tokenizer(source)
        check_tokenizer(tokenizer, source)
        examples, dropped = make_examples(tokenizer)
        if not examples:
            reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
            raise TrainingError(f"every example was dropped ({reasons}); raise max_tokens or mend the data")
        model = models.load_student(source, tokenizer, config.lora)
        trainer = assemble(model, tokenizer, examples, seed=seed, states=states)
        watch = None
        if config.watch is not None and asked is not None:
            watch = Watch(config.watch, asked, tokenizer, seed=seed, states=states)
            trainer.add_callback(watch)
        with progress(title, trainer.args.max_steps, "step") as bar:
            trainer.add_callback(ProgressBar(bar))
            state = last_whole_state(states)
            trainer.train(resume_from_checkpoint=str(state) if state else None)
        looks = watch.finish(trainer.model, trainer.state) if watch else None
        models.save_student(trainer.model, tokenizer, models.stored_dtype(source), folder / "model")
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
    drop_states(folder)
    return summary


def _asked(config: StageConfig, watched: pl.DataFrame | None) -> pl.DataFrame | None:
    """The questions that are asked while training; None where nobody watches."""
    if config.watch is None:
        return None
    if watched is None or watched.is_empty():
        raise TrainingError(
            "watch: there is no question to watch; give some (a profile's come from seeds.tasks), or set watch to null"
        )
    return conform(watched, "watched_questions").head(config.watch.prompts)


def _arguments(
    stage: str, source: Path, rows: pl.DataFrame, config: StageConfig, seed: int, asked: pl.DataFrame | None
) -> dict[str, JsonValue]:
    """What decides the weights, as recorded in a training's folder."""
    if not source.is_dir():
        raise TrainingError(f"{source}: no such folder; give a checkpoint in Hugging Face format")
    arguments: dict[str, JsonValue] = {
        "stage": stage,
        "version": TRAINING_VERSION,
        "checkpoint": digest_folder(source),
        "data": digest_json(sorted(rows.rows(), key=repr)),
        "config": config.model_dump(mode="json", exclude={"description", "candidate"}),
        "seed": seed,
    }
    return arguments if asked is None else {**arguments, "watched": digest_frame(asked)}


def _curve(history: Sequence[Mapping[str, float]]) -> pl.DataFrame:
    """The Trainer's log as a table, one row an optimizer step."""
    rows = [entry for entry in history if "loss" in entry]
    # Sorted, because a state that was read back has them sorted and a fresh log has not.
    metrics = sorted(rows[0].keys() - {*_LOGGED, *_UNLOGGED})
    whole = pl.col("step", "tokens").cast(pl.Int64)
    return (
        pl.DataFrame(rows).select(*_LOGGED, *metrics).with_columns(whole, pl.exclude("step", "tokens").cast(pl.Float64))
    )
