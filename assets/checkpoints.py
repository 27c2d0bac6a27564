"""Checkpoints of the student: SFT on the CoT set, then each second-stage recipe on the preference pairs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._conditions import AFTER_SFT
from assets._gpu import GPU_POOL, GPU_TAGS
from assets._pictures import loss_curves, watched_rates
from assets.partitions import ALL_BATCHES, RECIPES
from marco_dag.engines import checkpoint_digest
from marco_dag.identity import JsonValue
from marco_dag.schemas import digest_frame
from marco_dag.store import Artifact
from marco_dag.training import TRAINING_VERSION, StageConfig, read_summary, train_recipe, train_sft
from resources.models import Model, Models
from resources.steps import Step, Steps

TRAINED_ON = "trained on"
"""Metadata of `sft_checkpoint`: for each batch, the rows and the data version of its CoT set."""

_GROUP = "training"
_KINDS = {"pytorch", "huggingface"}


@dg.asset(
    ins={"balanced_cot": dg.AssetIn(partition_mapping=ALL_BATCHES)},
    group_name=_GROUP,
    kinds=_KINDS,
    owners=OWNERS,
    code_version=TRAINING_VERSION,
    io_manager_key="models",
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def sft_checkpoint(
    context: dg.AssetExecutionContext,
    balanced_cot: pl.DataFrame,
    watched_questions: pl.DataFrame,
    base_models: Models,
    steps: Steps,
) -> Iterator[dg.MaterializeResult[Any]]:
    """The student after supervised fine-tuning on the CoT set of all batches."""
    with steps.open(context) as step:
        config, seed = step.profile.sft, step.profile.seed
        student = base_models["student"]
        examples = balanced_cot.unique("chain_id", keep="first").sort("chain_id")
        key: dict[str, JsonValue] = {
            "student": student.digest,
            "cot_set": digest_frame(examples),
            "config": config.deciding(),
            "seed": seed,
            "code": TRAINING_VERSION,
            **_watched_with(config, watched_questions),
        }

        def train(folder: Path) -> None:
            path = Path(student.path(step.storage))
            train_sft(path, examples, config, seed=seed, folder=folder, watched=watched_questions)

        batches = balanced_cot.partition_by("batch", as_dict=True)
        trained_on = {
            str(batch): {"rows": rows.height, "data_version": digest_frame(rows)} for (batch,), rows in batches.items()
        }
        yield _finish(step, step.reuse_or_make("sft", key, train), {TRAINED_ON: trained_on})


@dg.asset(
    ins={"preference_pairs": dg.AssetIn(partition_mapping=ALL_BATCHES)},
    partitions_def=RECIPES,
    automation_condition=AFTER_SFT,
    group_name=_GROUP,
    kinds=_KINDS,
    owners=OWNERS,
    code_version=TRAINING_VERSION,
    io_manager_key="models",
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def dpo_checkpoint(
    context: dg.AssetExecutionContext,
    preference_pairs: pl.DataFrame,
    watched_questions: pl.DataFrame,
    sft_checkpoint: Models,
    steps: Steps,
) -> Iterator[dg.MaterializeResult[Any]]:
    """The SFT checkpoint after one second-stage recipe on the preference pairs of all batches."""
    with steps.open(context) as step:
        recipe, seed = step.profile.recipes[context.partition_key], step.profile.seed
        sft = sft_checkpoint["student"]
        pairs = preference_pairs.filter(chosen_rank=recipe.chosen).unique("pair_id", keep="first").sort("pair_id")
        key: dict[str, JsonValue] = {
            "sft": sft.digest,
            "pairs": digest_frame(pairs),
            "recipe": recipe.deciding(),
            "seed": seed,
            "code": TRAINING_VERSION,
            **_watched_with(recipe, watched_questions),
        }

        def train(folder: Path) -> None:
            path = Path(sft.path(step.storage))
            train_recipe(path, pairs, recipe, seed=seed, folder=folder, watched=watched_questions)

        yield _finish(step, step.reuse_or_make("second_stage", key, train), {"recipe": recipe.description})


def _watched_with(config: StageConfig, questions: pl.DataFrame) -> dict[str, JsonValue]:
    """The part of a checkpoint's key that says which questions its training is watched with."""
    return {"watched": digest_frame(questions.head(config.watch.prompts))} if config.watch else {}


def _finish(step: Step, trained: Artifact, metadata: dict[str, Any]) -> dg.MaterializeResult[Any]:
    folder = trained.path / "model"
    summary = read_summary(trained.path)
    name = step.context.partition_key if step.context.has_partition_key else "sft"
    figures = {"steps": summary.steps, "examples": summary.examples, "tokens": summary.tokens}
    step.run.log_curve(summary.curve)
    if summary.watch is not None:
        step.run.log_curve(summary.watch.rename({name: f"watch/{name}" for name in summary.watch.columns[1:]}))
        metadata = {**metadata, "watched": watched_rates({name: summary.watch})}
    if summary.stopped:
        step.context.log.warning(summary.stopped)
        metadata = {**metadata, "stopped": summary.stopped}
    step.run.log_checkpoint(name, folder, params={"artifact": trained.id}, metrics=figures)
    digest = checkpoint_digest(folder)
    return step.finish(
        {"student": Model.in_storage(folder, digest, step.storage)},
        data_version=digest,
        artifact=trained,
        metadata={
            **figures,
            **metadata,
            "left out": summary.dropped,
            "loss": loss_curves({name: summary.curve}),
        },
    )
