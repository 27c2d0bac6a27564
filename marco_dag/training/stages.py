"""The two stages: SFT on the base student, then a recipe on the SFT checkpoint.

Says what a call means: its data, whose folder it is, whether it is done already, and in how many processes it runs.
A training itself is in `marco_dag.training.running`, the losses in `marco_dag.training.objectives`, what TRL is made to
do in `marco_dag.training.trainers`. torch and TRL are imported by the calls, never by this module.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from marco_dag.errors import TrainingError
from marco_dag.identity import JsonValue, digest_folder, digest_json
from marco_dag.schemas import conform, digest_frame
from marco_dag.training.config import RecipeConfig, SftConfig, StageConfig
from marco_dag.training.job import Job
from marco_dag.training.launching import launch, needs_launch, processes_here
from marco_dag.training.running import run
from marco_dag.training.states import claim_states, drop_states
from marco_dag.training.summary import TrainingSummary, read_arguments, read_summary

TRAINING_VERSION = "2"
"""Raised whenever the same arguments would give other weights; part of what a checkpoint is keyed by."""


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
    asked = _asked(config, watched)
    arguments = _arguments("sft", student, rows, config, seed, asked)
    return _train(student, rows, config, asked, arguments, seed=seed, folder=folder)


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
    asked = _asked(recipe, watched)
    arguments = _arguments("recipe", sft, rows, recipe, seed, asked)
    return _train(sft, rows, recipe, asked, arguments, seed=seed, folder=folder)


def _train(
    source: Path,
    rows: pl.DataFrame,
    config: SftConfig | RecipeConfig,
    asked: pl.DataFrame | None,
    arguments: Mapping[str, JsonValue],
    *,
    seed: int,
    folder: Path,
) -> TrainingSummary:
    if "LOCAL_RANK" in os.environ:
        raise TrainingError("this call is a rank of torchrun already; call once, and say how many in `parallel`")
    claim_states(folder, arguments)
    if read_arguments(folder) is None:
        ranks = processes_here(config.parallel) * config.parallel.nodes
        try:
            config.micro_batch(ranks)
        except ValueError as error:
            raise TrainingError(str(error)) from error
        if needs_launch(config.parallel):
            source, folder = source.resolve(), folder.resolve()
            job = Job(source=source, config=config, seed=seed, folder=folder, arguments=dict(arguments), ranks=ranks)
            launch(job, rows, asked)
        else:
            run(source, rows, config, seed=seed, folder=folder, arguments=arguments, asked=asked)
    drop_states(folder)
    return read_summary(folder)


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
        "config": config.deciding(),
        "seed": seed,
    }
    return arguments if asked is None else {**arguments, "watched": digest_frame(asked)}
