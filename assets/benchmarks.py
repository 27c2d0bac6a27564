"""The published benchmarks' questions, and the scores: every checkpoint answers them and the held-out questions."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache
from pathlib import Path

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import ANSWERS, SCHEMA, answers_given, blocking, schema_holds
from assets._conditions import AFTER_CHECKPOINTS
from assets._gpu import GPU_POOL, GPU_TAGS
from assets._pictures import response_lengths
from assets.partitions import CHECKPOINTS, OWN_RECIPE
from marco_dag.engines import Engine
from marco_dag.errors import EvaluationError
from marco_dag.evaluation import (
    ALL_BENCHMARKS,
    EVALUATION_VERSION,
    answer_benchmarks,
    answer_questions,
    load_benchmark,
    published_benchmarks,
    summarize,
)
from marco_dag.identity import JsonValue
from marco_dag.schemas import TABLES, digest_frame
from marco_dag.store import Artifact, ArtifactStore
from resources.engines import EnginesResource
from resources.models import Model, Models
from resources.steps import Step, Steps

_GROUP = "evaluation"


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            name,
            description=description,
            group_name=_GROUP,
            kinds={"polars", "parquet"},
            owners=OWNERS,
            code_version=EVALUATION_VERSION,
        ).with_io_manager_key("tables")
        for name, description in (
            ("benchmark_questions", "The questions of the profile's published benchmarks, as they are asked."),
            ("benchmark_quarantine", "The rows of published benchmarks that cannot be asked: row, field and reason."),
        )
    ],
    name="published_benchmarks",
    check_specs=[blocking(SCHEMA, "benchmark_questions"), blocking(SCHEMA, "benchmark_quarantine")],
)
def benchmark_questions(
    context: dg.AssetExecutionContext, steps: Steps
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Read every published benchmark that the profile names, from its file or from the hub."""
    with steps.open(context) as step:
        config = step.profile.evaluation.benchmarks
        read = [load_benchmark(name, how, root=step.storage.root) for name, how in config.items()]
        tables = {
            "benchmark_questions": pl.concat(
                [TABLES["benchmark_questions"].to_frame(), *(found.questions for found in read)]
            ),
            "benchmark_quarantine": pl.concat(
                [TABLES["benchmark_quarantine"].to_frame(), *(found.quarantine for found in read)]
            ),
        }
        for name, table in tables.items():
            counts = dict(table["benchmark"].value_counts(sort=True).rows())
            yield step.finish(
                table, output=name, metadata={"rows by benchmark": counts}, checks=[schema_holds(table, name)]
            )


@dg.asset(
    ins={"dpo_checkpoint": dg.AssetIn(partition_mapping=OWN_RECIPE)},
    partitions_def=CHECKPOINTS,
    automation_condition=AFTER_CHECKPOINTS,
    group_name=_GROUP,
    kinds={"pytorch", "polars", "parquet"},
    owners=OWNERS,
    code_version=EVALUATION_VERSION,
    io_manager_key="tables",
    metadata={"table": "scores"},
    check_specs=[blocking(SCHEMA, "benchmark_scores"), blocking(ANSWERS, "benchmark_scores")],
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def benchmark_scores(
    context: dg.AssetExecutionContext,
    held_out_questions: pl.DataFrame,
    benchmark_questions: pl.DataFrame,
    base_models: Models,
    sft_checkpoint: Models,
    dpo_checkpoint: dict[str, Models],
    steps: Steps,
    engines: EnginesResource,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Every answer of one checkpoint to the held-out and the published questions, with its verdict and measures."""
    with steps.open(context) as step:
        checkpoint = context.partition_key
        stages = {"base": base_models, "sft": sft_checkpoint, **dpo_checkpoint}
        if checkpoint not in stages:
            raise EvaluationError(f"checkpoint {checkpoint} was not materialized yet; do that first")
        model = stages[checkpoint]["student"]
        answered = _answer(step, checkpoint, model, held_out_questions, benchmark_questions, engines)
        scores = pl.read_parquet(answered.path / "scores.parquet")
        config = step.profile.evaluation
        summary = summarize(scores, config.confidence)
        for row in summary.iter_rows(named=True):
            figures = {name: row[name] for name in ("accuracy", "no_answer", "clipped", "tokens")}
            step.run.log_metrics({f"{row['benchmark']}/{row['decoding']}/{name}": v for name, v in figures.items()})
        recipe = step.profile.recipes.get(checkpoint)
        published = published_benchmarks(summary)
        named = {
            f", {row['decoding']}" if row["benchmark"] == ALL_BENCHMARKS else f", {row['benchmark']}, {row['decoding']}": row
            for row in summary.filter(pl.col("benchmark").is_in([ALL_BENCHMARKS, *published])).iter_rows(named=True)
        }
        yield step.finish(
            scores,
            data_version=answered.id,
            artifact=answered,
            metadata={
                **{f"accuracy{which}": row["accuracy"] for which, row in named.items()},
                **{f"no answer{which}": row["no_answer"] for which, row in named.items()},
                "odd answers": {row["benchmark"]: row["odd"] for row in named.values() if row["odd"]},
                "lengths": response_lengths(
                    scores.filter(~pl.col("benchmark").is_in(published)), checkpoint, config.max_tokens
                ),
            },
            checks=[
                schema_holds(scores, "scores"),
                answers_given(summary, config.no_answer_limit, candidate=recipe is not None and recipe.candidate),
            ],
        )


def _answer(
    step: Step,
    checkpoint: str,
    model: Model,
    held_out: pl.DataFrame,
    published: pl.DataFrame,
    engines: EnginesResource,
) -> Artifact:
    """The artifact with all scores of a checkpoint; each benchmark's are one of their own, so that a new one adds to it.

    Without published questions that the profile asks for, EvaluationError.
    """
    config, seed, how = step.profile.evaluation, step.profile.seed, step.profile.engine_of("student")
    procedures = {name: benchmark.procedure(name) for name, benchmark in config.benchmarks.items()}
    asked: dict[str, pl.DataFrame] = {name: published.filter(benchmark=name) for name in procedures}
    if unread := [name for name, questions in asked.items() if questions.is_empty()]:
        raise EvaluationError(f"benchmark {unread[0]}: its questions were not read; materialize benchmark_questions")
    whose: dict[str, JsonValue] = {"checkpoint": checkpoint, "model": model.digest, "seed": seed}
    keys: dict[str | None, dict[str, JsonValue]] = {
        None: {
            "questions": digest_frame(held_out),
            "config": config.model_dump(mode="json", exclude={"confidence", "no_answer_limit", "benchmarks"}),
        },
        **{
            name: {"questions": digest_frame(questions), "procedure": asdict(procedures[name])}
            for name, questions in asked.items()
        },
    }

    def answer(folder: Path) -> None:
        with ExitStack() as stack:

            @cache
            def engine() -> Engine:
                return stack.enter_context(engines.open(model.path(step.storage), how, name=checkpoint))

            def answer_one(name: str | None, part: Path) -> None:
                who = {"checkpoint": checkpoint, "checkpoint_digest": model.digest}
                scores = (
                    answer_questions(engine(), held_out, config, **who, seed=seed)
                    if name is None
                    else answer_benchmarks(engine(), asked[name], procedures, **who, seed=seed)
                )
                scores.write_parquet(part / "scores.parquet")

            store = ArtifactStore(step.storage.artifacts)
            parts = [
                store.get_or_make(
                    "answers",
                    {**whose, **key, "code": EVALUATION_VERSION},
                    lambda part, name=name: answer_one(name, part),
                )
                for name, key in keys.items()
            ]
        scores = pl.concat([pl.read_parquet(part.path / "scores.parquet") for part in parts])
        scores.write_parquet(folder / "scores.parquet")

    everything: dict[str, JsonValue] = {
        **whose,
        **keys[None],
        "benchmarks": {name: key for name, key in keys.items() if name is not None},
        "code": EVALUATION_VERSION,
    }
    return step.reuse_or_make("scores", everything, answer)
