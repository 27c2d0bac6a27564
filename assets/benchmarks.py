"""The published benchmarks' questions, and the scores: every checkpoint answers them and the held-out questions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import ANSWERS, SCHEMA, answers_given, blocking, schema_holds
from assets._conditions import AFTER_CHECKPOINTS
from assets._gpu import GPU_POOL, GPU_TAGS
from assets._pictures import response_lengths
from assets._students import student_of
from assets.partitions import CHECKPOINTS, OWN_RECIPE
from marco_dag.engines import Engine
from marco_dag.errors import EvaluationError
from marco_dag.evaluation import (
    ALL_BENCHMARKS,
    EVALUATION_VERSION,
    SCORES_FILE,
    answer_benchmarks,
    answer_questions,
    load_benchmark,
    published_benchmarks,
    summarize,
)
from marco_dag.identity import JsonValue
from marco_dag.registry import Registration, registered_name
from marco_dag.schemas import TABLES, digest_frame
from marco_dag.store import Artifact, ArtifactStore
from resources.engines import EnginesResource
from resources.models import Model, Models
from resources.steps import Step, Steps

_GROUP = "evaluation"


class _Who(TypedDict):
    """Whose answers they are."""

    checkpoint: str
    checkpoint_digest: str


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
        model = student_of(checkpoint, base_models, sft_checkpoint, dpo_checkpoint)
        who = _Who(checkpoint=checkpoint, checkpoint_digest=model.digest)
        parts = _parts(step, who, held_out_questions, benchmark_questions)
        answered = _answer(step, checkpoint, model, parts, engines)
        scores = pl.read_parquet(answered.path / SCORES_FILE)
        config = step.profile.evaluation
        summary = summarize(scores, config.confidence)
        for row in summary.iter_rows(named=True):
            figures = {name: row[name] for name in ("accuracy", "no_answer", "clipped", "tokens")}
            step.run.log_metrics({f"{row['benchmark']}/{row['decoding']}/{name}": v for name, v in figures.items()})
        recipe = step.profile.recipes.get(checkpoint)
        published = published_benchmarks(summary)
        shown = {
            f"{row['decoding']}"
            if row["benchmark"] == ALL_BENCHMARKS
            else f"{row['benchmark']}, {row['decoding']}": row
            for row in summary.filter(pl.col("benchmark").is_in([ALL_BENCHMARKS, *published])).iter_rows(named=True)
        }
        held_out = scores.filter(~pl.col("benchmark").is_in(published))
        candidate = recipe is not None and recipe.candidate
        checks = [
            schema_holds(scores, "scores"),
            answers_given(summary, config.no_answer_limit, candidate=candidate),
        ]
        passed = candidate and all(check.passed for check in checks)
        yield step.finish(
            scores,
            data_version=answered.id,
            artifact=answered,
            metadata={
                **{f"accuracy, {which}": row["accuracy"] for which, row in shown.items()},
                **{f"no answer, {which}": row["no_answer"] for which, row in shown.items()},
                "answers too odd to be checked": {which: row["odd"] for which, row in shown.items() if row["odd"]},
                "lengths": response_lengths(held_out, checkpoint, config.max_tokens),
                **({"registered": _register(step, checkpoint, model, answered)} if passed else {}),
            },
            checks=checks,
        )


def _register(step: Step, checkpoint: str, model: Model, scores: Artifact) -> str:
    """Make a checkpoint that passed its checks the candidate for use; what it is called in the registry."""
    assert model.artifact is not None
    registration = Registration(checkpoint, model.digest, model.location, model.artifact, scores.id)
    folder = Path(model.path(step.storage))
    return str(step.run.register_candidate(registered_name(step.profile.name), registration, folder))


@dataclass(frozen=True)
class _Part:
    """The questions of one benchmark, or the held-out ones: what decides the answers to them, and how to ask."""

    key: Mapping[str, JsonValue]
    ask: Callable[[Engine], pl.DataFrame]


def _answer(
    step: Step, checkpoint: str, model: Model, parts: Mapping[str, _Part], engines: EnginesResource
) -> Artifact:
    """The artifact with all scores of a checkpoint; each part's are kept apart too, so that new ones add to it."""
    how = step.profile.engine_of("student")
    whose: dict[str, JsonValue] = {"checkpoint": checkpoint, "model": model.digest, "seed": step.profile.seed}

    def answer(folder: Path) -> Sequence[str]:
        store = ArtifactStore(step.storage.artifacts)
        opened: list[Engine] = []
        with ExitStack() as stack:

            def ask(part: _Part, part_folder: Path) -> None:
                if not opened:
                    engine = engines.open(model.path(step.storage), how, name=checkpoint)
                    opened.append(stack.enter_context(engine))
                part.ask(opened[0]).write_parquet(part_folder / SCORES_FILE)

            answered = [
                store.get_or_make("answers", {**whose, **part.key, "code": EVALUATION_VERSION}, partial(ask, part))
                for part in parts.values()
            ]
        scores = [pl.read_parquet(artifact.path / SCORES_FILE) for artifact in answered]
        pl.concat(scores).write_parquet(folder / SCORES_FILE)
        return [artifact.id for artifact in answered]

    keys: dict[str, JsonValue] = {name: dict(part.key) for name, part in parts.items()}
    return step.reuse_or_make("scores", {**whose, "parts": keys, "code": EVALUATION_VERSION}, answer)


def _parts(step: Step, who: _Who, held_out: pl.DataFrame, published: pl.DataFrame) -> dict[str, _Part]:
    """The held-out questions, and each benchmark of the profile; EvaluationError where one was not read yet."""
    config, seed = step.profile.evaluation, step.profile.seed
    how = config.model_dump(mode="json", exclude={"confidence", "no_answer_limit", "benchmarks", "mcts_decoding"})
    parts = {
        "held-out": _Part(
            {"questions": digest_frame(held_out), "config": how},
            lambda engine: answer_questions(engine, held_out, config, **who, seed=seed),
        )
    }
    for name, benchmark in config.benchmarks.items():
        questions, procedure = published.filter(benchmark=name), benchmark.procedure(name)
        if questions.is_empty():
            raise EvaluationError(f"benchmark {name}: its questions were not read yet; materialize benchmark_questions")
        parts[name] = _Part(
            {"questions": digest_frame(questions), "procedure": asdict(procedure)},
            partial(answer_benchmarks, questions=questions, procedures={name: procedure}, **who, seed=seed),
        )
    return parts
