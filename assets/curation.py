"""Training sets from trees: chains, the length-balanced CoT set, the preference pairs."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import (
    CLEAN,
    NOT_HELD_OUT,
    SCHEMA,
    SOME_CORRECT,
    blocking,
    none_held_out,
    none_in_a_benchmark,
    schema_holds,
    some_correct,
)
from assets._pictures import chain_lengths
from assets.partitions import SEED_BATCHES
from marco_dag import curation
from marco_dag.curation import CURATION_VERSION
from marco_dag.engines import load_encoder
from marco_dag.seeds import held_out_share_of, question_texts
from resources.models import Models
from resources.steps import Step, Steps

_GROUP = "curation"
_KINDS = {"polars", "parquet"}


@dg.asset(
    group_name=_GROUP,
    kinds=_KINDS,
    owners=OWNERS,
    code_version=CURATION_VERSION,
    io_manager_key="tables",
    partitions_def=SEED_BATCHES,
    check_specs=[blocking(SCHEMA, "chains"), blocking(SOME_CORRECT, "chains")],
)
def chains(
    context: dg.AssetExecutionContext,
    mcts_trees: pl.DataFrame,
    thoughts: pl.DataFrame,
    base_models: Models,
    steps: Steps,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Every path from a question to a checked answer, ranked by length among its question's correct ones."""
    with steps.open(context) as step:
        encode = load_encoder(base_models["student"].path(step.storage))
        found = curation.extract_chains(mcts_trees, thoughts, encode)
        correct = found.filter(pl.col("correct"))
        counts = {
            "correct": correct.height,
            "wrong": found.height - correct.height,
            "correct with a reflection": correct.filter(pl.col("reflections") > 0).height,
        }
        step.run.log_metrics(counts)
        yield step.finish(
            found,
            metadata={**counts, "lengths": chain_lengths(found, mcts_trees)},
            checks=[schema_holds(found, "chains"), some_correct(found, mcts_trees)],
        )


@dg.asset(
    group_name=_GROUP,
    kinds=_KINDS,
    owners=OWNERS,
    code_version=CURATION_VERSION,
    io_manager_key="tables",
    metadata={"table": "cot_set"},
    partitions_def=SEED_BATCHES,
    check_specs=[
        blocking(SCHEMA, "balanced_cot"),
        blocking(NOT_HELD_OUT, "balanced_cot"),
        blocking(CLEAN, "balanced_cot"),
    ],
)
def balanced_cot(
    context: dg.AssetExecutionContext,
    chains: pl.DataFrame,
    seed_prompts: pl.DataFrame,
    held_out_questions: pl.DataFrame,
    benchmark_questions: pl.DataFrame,
    steps: Steps,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The SFT set: each question's correct chains of the wanted length, longest first by default."""
    with steps.open(context) as step:
        examples = curation.balanced_cot(chains, seed_prompts, step.profile.curation)
        counts = {
            "questions": examples["seed_id"].n_unique(),
            "tokens": int(examples["tokens"].sum()),
        }
        step.run.log_metrics(counts)
        yield step.finish(
            examples,
            metadata={**counts, "ranks": dict(examples["length_rank"].value_counts(sort=True).rows())},
            checks=[
                schema_holds(examples, "cot_set"),
                *_untouched(step, examples, seed_prompts, held_out_questions, benchmark_questions),
            ],
        )


@dg.asset(
    group_name=_GROUP,
    kinds=_KINDS,
    owners=OWNERS,
    code_version=CURATION_VERSION,
    io_manager_key="tables",
    partitions_def=SEED_BATCHES,
    check_specs=[
        blocking(SCHEMA, "preference_pairs"),
        blocking(NOT_HELD_OUT, "preference_pairs"),
        blocking(CLEAN, "preference_pairs"),
    ],
)
def preference_pairs(
    context: dg.AssetExecutionContext,
    chains: pl.DataFrame,
    thoughts: pl.DataFrame,
    seed_prompts: pl.DataFrame,
    held_out_questions: pl.DataFrame,
    benchmark_questions: pl.DataFrame,
    base_models: Models,
    steps: Steps,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """A correct chain against wrong ones of its tree, for each length that a recipe of the profile asks for."""
    with steps.open(context) as step:
        encode = load_encoder(base_models["student"].path(step.storage))
        pairs = curation.preference_pairs(
            chains, thoughts, seed_prompts, encode, step.profile.chosen_ranks, step.profile.curation
        )
        counts = {"pairs": pairs.height, "questions": pairs["seed_id"].n_unique()}
        step.run.log_metrics(counts)
        yield step.finish(
            pairs,
            metadata={**counts, "chosen": dict(pairs["chosen_rank"].value_counts(sort=True).rows())},
            checks=[
                schema_holds(pairs, "preference_pairs"),
                *_untouched(step, pairs, seed_prompts, held_out_questions, benchmark_questions),
            ],
        )


def _untouched(
    step: Step,
    examples: pl.DataFrame,
    seed_prompts: pl.DataFrame,
    held_out_questions: pl.DataFrame,
    benchmark_questions: pl.DataFrame,
) -> Sequence[dg.AssetCheckResult]:
    """The checks that nothing of a training set is what checkpoints are scored on."""
    config = step.profile.seeds
    trained_on = seed_prompts.join(examples, on="seed_id", how="semi", maintain_order="left")
    share = held_out_share_of(step.context.partition_key, config)
    questions = question_texts(held_out_questions, benchmark_questions)
    return [
        none_held_out(examples, held_out_questions, share),
        none_in_a_benchmark(trained_on, questions, config.decontamination),
    ]
