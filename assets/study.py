"""The study: the paper's tables on the profile's own models, cell by cell, and the page on what came out.

Stands beside the pipeline. A cell is a variant of one seed. What it stands on (models, trees, checkpoints) lies in the
artifact store, so that each cell can be materialized alone, in any order, many at once, or by `marco study`.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import SCHEMA, blocking, schema_holds
from assets._gpu import GPU_POOL, GPU_TAGS
from assets.partitions import ALL_BATCHES, STUDY_DECODED, STUDY_VARIANTS
from marco_dag import __version__
from marco_dag.evaluation import DECODING_VERSION, EVALUATION_VERSION
from marco_dag.study.findings import findings_frame
from marco_dag.study.gathering import gather, read_answers, read_decoded
from marco_dag.study.materials import Study, user_prompts
from marco_dag.study.page import write_page
from marco_dag.study.runs import Run
from marco_dag.study.variants import study_of
from resources.steps import Step, Steps


@dg.asset(
    deps=[dg.AssetDep("seed_prompts", partition_mapping=ALL_BATCHES)],
    partitions_def=STUDY_VARIANTS,
    group_name="study",
    kinds={"pytorch", "polars", "parquet"},
    owners=OWNERS,
    code_version=EVALUATION_VERSION,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "study_answers")],
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def study_answers(context: dg.AssetExecutionContext, steps: Steps) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """One variant's answers to the held-out questions, for one seed; what they stand on is made where it is missing."""
    with steps.open(context) as step:
        variant, seed = _cell(context)
        piece = Run(_study(step), seed).scores(variant)
        artifact = step.reuse_or_make(piece.kind, piece.key, piece.make)
        answers = read_answers(artifact.path, seed)
        rates = answers.group_by("decoding").agg(pl.col("correct", "answered").cast(pl.Float64).mean()).sort("decoding")
        shown: dict[str, float] = {}
        for decoding, correct, answered in rates.iter_rows():
            shown |= {f"accuracy, {decoding}": correct, f"no answer, {decoding}": 1 - answered}
        step.run.log_metrics(shown)
        checks = [schema_holds(answers, "study_answers")]
        yield step.finish(answers, data_version=artifact.id, artifact=artifact, metadata=shown, checks=checks)


@dg.asset(
    deps=[dg.AssetDep("seed_prompts", partition_mapping=ALL_BATCHES)],
    partitions_def=STUDY_DECODED,
    group_name="study",
    kinds={"pytorch", "polars", "parquet"},
    owners=OWNERS,
    code_version=DECODING_VERSION,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "study_decoding")],
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def study_decoding(context: dg.AssetExecutionContext, steps: Steps) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """One variant's held-out questions answered by tree search beside sampling at equal tokens, for one seed."""
    with steps.open(context) as step:
        variant, seed = _cell(context)
        piece = Run(_study(step), seed).decoded(variant)
        artifact = step.reuse_or_make(piece.kind, piece.key, piece.make)
        decoded = read_decoded(artifact.path, seed)
        checks = [schema_holds(decoded, "study_decoding")]
        yield step.finish(decoded, data_version=artifact.id, artifact=artifact, checks=checks)


@dg.asset(
    deps=[
        dg.AssetDep("study_answers", partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep("study_decoding", partition_mapping=dg.AllPartitionMapping()),
    ],
    group_name="study",
    kinds={"markdown", "polars", "parquet"},
    owners=OWNERS,
    code_version=__version__,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "study_findings")],
)
def study_findings(context: dg.AssetExecutionContext, steps: Steps) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """What the cells that there are say of the paper's claims, as a table and as a page; missing cells are gaps."""
    with steps.open(context) as step:
        study = _study(step)
        seeds: Sequence[int] = study_of(step.profile).seeds
        folder = step.storage.report_folder(step.profile.name)
        gathered = gather(study, seeds)
        page = write_page(folder, study, gathered, seeds, command="dagster asset materialize --select study_findings")
        step.run.log_artifact(page.path)
        findings = findings_frame(page.findings)
        verdicts = dict(findings["verdict"].value_counts().iter_rows())
        yield step.finish(
            findings,
            metadata={
                "page": dg.MetadataValue.path(page.path),
                "results": dg.MetadataValue.md(page.text),
                "cells missing": len(gathered.gaps),
                "verdicts": verdicts,
            },
            checks=[schema_holds(findings, "study_findings")],
        )


def _study(step: Step) -> Study:
    storage = step.storage
    return Study(step.profile, storage.artifacts, storage.engine_logs, user_prompts(storage))


def _cell(context: dg.AssetExecutionContext) -> tuple[str, int]:
    """Variant and seed of the step's partition."""
    keys = cast("dg.MultiPartitionKey", context.partition_key).keys_by_dimension
    return keys["variant"], int(keys["seed"])
