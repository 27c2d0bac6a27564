"""Seed prompts: which batches there are, the questions of each, what was wrong with the rest; what is held out."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import CLEAN, SCHEMA, blocking, none_in_a_benchmark, schema_holds
from assets._gpu import GPU_POOL, GPU_TAGS
from assets.partitions import SEED_BATCHES
from marco_dag import seeds
from marco_dag.errors import ProfileError
from marco_dag.identity import JsonValue
from marco_dag.schemas import digest_frame
from marco_dag.seeds import SEEDS_VERSION, SeedBatches, SkippedFile, question_texts, source_of
from resources.engines import EnginesResource
from resources.models import Models
from resources.steps import Step, Steps

_GROUP = "seeds"
_KINDS = {"polars", "parquet"}
_PARTITIONS = str(SEED_BATCHES.name)
_MADE_FROM = ("seed_batches", "held_out_questions", "benchmark_questions")
_DIFFICULTY_FILE = "difficulty.parquet"


@dg.asset(
    group_name=_GROUP,
    kinds=_KINDS,
    owners=OWNERS,
    code_version=SEEDS_VERSION,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "seed_batches")],
)
def seed_batches(context: dg.AssetExecutionContext, steps: Steps) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Every batch of seeds there is, each registered as a partition.

    Takes in the profile's sources, and what was dropped into the seeds folder, each content once. `generated` is always
    among the batches. A batch of a source that the profile no longer names, or that has changed since, is no partition
    any more.
    """
    with steps.open(context) as step:
        known = _batches(step)
        sources = known.sources.take_in()
        scan = known.inbox.scan_settled()
        batches = known.table()
        names = batches["batch"].to_list()
        gone = [key for key in context.instance.get_dynamic_partitions(_PARTITIONS) if source_of(key)]
        for key in sorted(set(gone) - set(names)):
            context.instance.delete_dynamic_partition(_PARTITIONS, key)
        context.instance.add_dynamic_partitions(_PARTITIONS, names)
        yield step.finish(
            batches,
            metadata={
                "new": [batch.batch for batch in scan.new],
                "sources": [batch.batch for batch in sources],
                "still being written": _named(scan.waiting),
                "ignored": _named(scan.ignored),
            },
            checks=[schema_holds(batches, "seed_batches")],
        )


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "seed_prompts",
            description="The questions of a batch that may be trained on, and how to check an answer to each.",
            deps=_MADE_FROM,
            group_name=_GROUP,
            kinds=_KINDS,
            owners=OWNERS,
            code_version=SEEDS_VERSION,
        ).with_io_manager_key("tables"),
        dg.AssetSpec(
            "seed_quarantine",
            description="The rows of a batch that were left out: file, line, field and reason.",
            deps=_MADE_FROM,
            group_name=_GROUP,
            kinds=_KINDS,
            owners=OWNERS,
            code_version=SEEDS_VERSION,
        ).with_io_manager_key("tables"),
        dg.AssetSpec(
            "seed_overlaps",
            description="The seeds of a batch that a benchmark asks or shares words with: which question, which words.",
            deps=_MADE_FROM,
            group_name=_GROUP,
            kinds=_KINDS,
            owners=OWNERS,
            code_version=SEEDS_VERSION,
        ).with_io_manager_key("tables"),
    ],
    ins={
        "held_out_questions": dg.AssetIn("held_out_questions"),
        "benchmark_questions": dg.AssetIn("benchmark_questions"),
    },
    name="seed_questions",
    partitions_def=SEED_BATCHES,
    check_specs=[
        blocking(SCHEMA, "seed_prompts"),
        blocking(CLEAN, "seed_prompts"),
        blocking(SCHEMA, "seed_quarantine"),
        blocking(SCHEMA, "seed_overlaps"),
    ],
)
def seed_prompts(
    context: dg.AssetExecutionContext,
    held_out_questions: pl.DataFrame,
    benchmark_questions: pl.DataFrame,
    steps: Steps,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Generate the batch `generated`, or read a batch's file; drop what an earlier batch or a benchmark holds."""
    with steps.open(context) as step:
        questions = question_texts(held_out_questions, benchmark_questions)
        screened = _batches(step).screened(context.partition_key, questions)
        prompts, quarantine, overlaps = screened.prompts, screened.quarantine, screened.overlaps
        yield step.finish(
            prompts,
            output="seed_prompts",
            metadata={
                "quarantined": quarantine.height,
                "duplicates of other batches": screened.duplicates,
                "contaminated": screened.contaminated,
                "questions by task": dict(prompts["task"].value_counts(sort=True).rows()),
            },
            checks=[
                schema_holds(prompts, "seed_prompts"),
                none_in_a_benchmark(prompts, questions, step.profile.seeds.decontamination),
            ],
        )
        yield step.finish(
            quarantine,
            output="seed_quarantine",
            metadata={"reasons": dict(quarantine["reason"].value_counts(sort=True).head(20).rows())},
            checks=[schema_holds(quarantine, "seed_quarantine")],
        )
        yield step.finish(
            overlaps,
            output="seed_overlaps",
            metadata={
                f"{benchmark}, {match}": seeds_
                for benchmark, match, seeds_ in overlaps.group_by("benchmark", "match")
                .agg(pl.col("seed_id").n_unique())
                .sort("benchmark", "match")
                .iter_rows()
            },
            checks=[schema_holds(overlaps, "seed_overlaps")],
        )


@dg.asset(
    group_name=_GROUP,
    kinds=_KINDS,
    owners=OWNERS,
    code_version=SEEDS_VERSION,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "held_out_questions")],
)
def held_out_questions(context: dg.AssetExecutionContext, steps: Steps) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The questions that checkpoints are scored on, which no training set may hold."""
    with steps.open(context) as step:
        questions = seeds.held_out_questions(step.profile.seeds, seed=step.profile.seed)
        yield step.finish(
            questions,
            metadata={"questions by task": dict(questions["task"].value_counts(sort=True).rows())},
            checks=[schema_holds(questions, "held_out_questions")],
        )


@dg.asset(
    group_name=_GROUP,
    kinds=_KINDS,
    owners=OWNERS,
    code_version=SEEDS_VERSION,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "watched_questions")],
)
def watched_questions(
    context: dg.AssetExecutionContext,
    held_out_questions: pl.DataFrame,
    benchmark_questions: pl.DataFrame,
    steps: Steps,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The questions that training is watched with: held out too, and none that checkpoints are scored on."""
    with steps.open(context) as step:
        scored = question_texts(held_out_questions, benchmark_questions)
        wanted = step.profile.watched_prompts
        questions = seeds.watched_questions(step.profile.seeds, wanted, scored, seed=step.profile.seed)
        yield step.finish(
            questions,
            metadata={"wanted": wanted, "questions by task": dict(questions["task"].value_counts(sort=True).rows())},
            checks=[schema_holds(questions, "watched_questions")],
        )


@dg.asset(
    partitions_def=SEED_BATCHES,
    group_name=_GROUP,
    kinds={"pytorch", *_KINDS},
    owners=OWNERS,
    code_version=SEEDS_VERSION,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "seed_difficulty")],
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def seed_difficulty(
    context: dg.AssetExecutionContext,
    seed_prompts: pl.DataFrame,
    base_models: Models,
    steps: Steps,
    engines: EnginesResource,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """How often the base student answers each question of the batch, where the profile asks for it."""
    with steps.open(context) as step:
        config, seed, student = step.profile.seeds.difficulty, step.profile.seed, base_models["student"]
        if config is None:
            raise ProfileError("seeds.difficulty: the profile does not set it, so no difficulty is measured")
        how = step.profile.engine_of("student")
        key: dict[str, JsonValue] = {
            "seeds": digest_frame(seed_prompts),
            "student": student.digest,
            "config": config.model_dump(mode="json", exclude={"min_pass_rate", "max_pass_rate"}),
            "seed": seed,
            "code": SEEDS_VERSION,
        }

        def measure(folder: Path) -> None:
            with engines.open(student.path(step.storage), how, name="student") as engine:
                measured = seeds.measure_difficulty(engine, seed_prompts, config, seed=seed)
            measured.write_parquet(folder / _DIFFICULTY_FILE)

        made = step.reuse_or_make("difficulty", key, measure)
        difficulty = pl.read_parquet(made.path / _DIFFICULTY_FILE)
        figures = {
            "mean pass rate": difficulty["pass_rate"].mean(),
            "never solved": difficulty.filter(pass_rate=0.0).height,
            "always solved": difficulty.filter(pass_rate=1.0).height,
            "not measured": difficulty["pass_rate"].null_count(),
        }
        yield step.finish(
            difficulty,
            data_version=made.id,
            artifact=made,
            metadata={name: value for name, value in figures.items() if value is not None},
            checks=[schema_holds(difficulty, "seed_difficulty")],
        )


def _batches(step: Step) -> SeedBatches:
    return SeedBatches(step.profile.seeds, step.storage, seed=step.profile.seed)


def _named(files: Sequence[SkippedFile]) -> list[str]:
    return [f"{skipped.file}: {skipped.reason}" for skipped in files]
