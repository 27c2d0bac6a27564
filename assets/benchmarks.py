"""Benchmark scores: every checkpoint answers the held-out questions, greedily and sampled."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import ANSWERS, SCHEMA, answers_given, blocking, schema_holds
from assets._conditions import AFTER_CHECKPOINTS
from assets._gpu import GPU_POOL, GPU_TAGS
from assets._pictures import response_lengths
from assets.partitions import CHECKPOINTS, OWN_RECIPE
from marco_dag.errors import EvaluationError
from marco_dag.evaluation import ALL_BENCHMARKS, EVALUATION_VERSION, answer_questions, summarize
from marco_dag.identity import JsonValue
from marco_dag.schemas import digest_frame
from marco_dag.store import Artifact
from resources.engines import EnginesResource
from resources.models import Model, Models
from resources.steps import Step, Steps


@dg.asset(
    ins={"dpo_checkpoint": dg.AssetIn(partition_mapping=OWN_RECIPE)},
    partitions_def=CHECKPOINTS,
    automation_condition=AFTER_CHECKPOINTS,
    group_name="evaluation",
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
    base_models: Models,
    sft_checkpoint: Models,
    dpo_checkpoint: dict[str, Models],
    steps: Steps,
    engines: EnginesResource,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Every answer of one checkpoint to the held-out questions, with its verdict and its measures."""
    with steps.open(context) as step:
        checkpoint = context.partition_key
        stages = {"base": base_models, "sft": sft_checkpoint, **dpo_checkpoint}
        if checkpoint not in stages:
            raise EvaluationError(f"checkpoint {checkpoint} was not materialized yet; do that first")
        answered = _answer(step, checkpoint, stages[checkpoint]["student"], held_out_questions, engines)
        scores = pl.read_parquet(answered.path / "scores.parquet")
        config = step.profile.evaluation
        summary = summarize(scores, config.confidence)
        for row in summary.iter_rows(named=True):
            figures = {name: row[name] for name in ("accuracy", "no_answer", "clipped", "tokens")}
            step.run.log_metrics({f"{row['benchmark']}/{row['decoding']}/{name}": v for name, v in figures.items()})
        recipe = step.profile.recipes.get(checkpoint)
        overall = summary.filter(benchmark=ALL_BENCHMARKS)
        yield step.finish(
            scores,
            data_version=answered.id,
            artifact=answered,
            metadata={
                **{f"accuracy, {row['decoding']}": row["accuracy"] for row in overall.iter_rows(named=True)},
                **{f"no answer, {row['decoding']}": row["no_answer"] for row in overall.iter_rows(named=True)},
                "lengths": response_lengths(scores, checkpoint, config.max_tokens),
            },
            checks=[
                schema_holds(scores, "scores"),
                answers_given(summary, config.no_answer_limit, candidate=recipe is not None and recipe.candidate),
            ],
        )


def _answer(step: Step, checkpoint: str, model: Model, questions: pl.DataFrame, engines: EnginesResource) -> Artifact:
    config, seed, how = step.profile.evaluation, step.profile.seed, step.profile.engine_of("student")
    key: dict[str, JsonValue] = {
        "checkpoint": checkpoint,
        "model": model.digest,
        "questions": digest_frame(questions),
        "config": config.model_dump(mode="json", exclude={"confidence", "no_answer_limit"}),
        "seed": seed,
        "code": EVALUATION_VERSION,
    }

    def answer(folder: Path) -> None:
        with engines.open(model.path(step.storage), how, name=checkpoint) as engine:
            scores = answer_questions(
                engine, questions, config, checkpoint=checkpoint, checkpoint_digest=model.digest, seed=seed
            )
        scores.write_parquet(folder / "scores.parquet")

    return step.reuse_or_make("scores", key, answer)
