"""The report: what came out, in one page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._conditions import AFTER_SCORES
from assets.models import read_curves
from assets.partitions import ALL_BATCHES
from marco_dag import __version__
from marco_dag.evaluation import published_benchmarks, summarize
from marco_dag.report import write_report
from marco_dag.schemas import digest_frame
from marco_dag.training import read_summary
from resources.models import Model, Models
from resources.steps import Step, Steps

_EVERY = dg.AllPartitionMapping()


@dg.asset(
    ins={
        "benchmark_scores": dg.AssetIn(partition_mapping=_EVERY),
        "dpo_checkpoint": dg.AssetIn(partition_mapping=_EVERY),
        "mcts_trees": dg.AssetIn(partition_mapping=ALL_BATCHES),
        "chains": dg.AssetIn(partition_mapping=ALL_BATCHES),
        "preference_pairs": dg.AssetIn(partition_mapping=ALL_BATCHES),
        "seed_prompts": dg.AssetIn(partition_mapping=ALL_BATCHES),
    },
    automation_condition=AFTER_SCORES,
    group_name="report",
    kinds={"html"},
    owners=OWNERS,
    code_version=__version__,
)
def distillation_report(
    context: dg.AssetExecutionContext,
    benchmark_scores: pl.DataFrame,
    base_models: Models,
    sft_checkpoint: Models,
    dpo_checkpoint: dict[str, Models],
    mcts_trees: pl.DataFrame,
    chains: pl.DataFrame,
    preference_pairs: pl.DataFrame,
    seed_prompts: pl.DataFrame,
    held_out_questions: pl.DataFrame,
    benchmark_questions: pl.DataFrame,
    steps: Steps,
) -> Iterator[dg.MaterializeResult[Any]]:
    """One HTML page on everything that was materialized so far; what is missing is shown as a gap."""
    with steps.open(context) as step:
        summary = summarize(benchmark_scores, step.profile.evaluation.confidence)
        checkpoints = {"sft": sft_checkpoint, **dpo_checkpoint}
        trained = {name: read_summary(_folder(step, models["student"])) for name, models in checkpoints.items()}
        page = write_report(
            step.storage.report_folder(step.profile.name),
            profile=step.profile,
            scores=benchmark_scores,
            summary=summary,
            chains=chains,
            trees=mcts_trees,
            pairs=preference_pairs,
            curves=_embedded_curves(step, base_models) | {name: training.curve for name, training in trained.items()},
            watches={name: training.watch for name, training in trained.items() if training.watch is not None},
            questions=pl.concat(
                [
                    *(table.select("seed_id", "prompt") for table in (seed_prompts, held_out_questions)),
                    benchmark_questions.select(seed_id="question_id", prompt="question"),
                ]
            ),
        )
        step.run.log_artifact(page)
        yield step.finish(
            page,
            data_version=digest_frame(summary),
            metadata={"page": dg.MetadataValue.path(page), "scores": _markdown(summary)},
        )


def _embedded_curves(step: Step, base: Models) -> dict[str, pl.DataFrame]:
    """The loss curves of the embedded models, where they were trained here."""
    embedded = [_folder(step, model) for model in base.values() if model.stored]
    return read_curves(embedded[0]) if embedded else {}


def _folder(step: Step, model: Model) -> Path:
    """The folder that holds what training left beside a model."""
    return Path(model.path(step.storage)).parent


def _markdown(summary: pl.DataFrame) -> dg.MetadataValue:
    """The rates over all held-out questions, and of each published benchmark, as a small table."""
    lines = ["| checkpoint | benchmark | decoding | accuracy % | no answer % | tokens |", "|---|---|---|---|---|---|"]
    for row in summary.filter(pl.col("benchmark").is_in(["all", *published_benchmarks(summary)])).iter_rows(named=True):
        lines.append(
            f"| {row['checkpoint']} | {row['benchmark']} | {row['decoding']} | {100 * row['accuracy']:.1f} "
            f"| {100 * row['no_answer']:.1f} | {row['tokens']:.0f} |"
        )
    return dg.MetadataValue.md("\n".join(lines))
