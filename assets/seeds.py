"""Seed prompts: which batches there are, the questions of each, what was wrong with the rest, and what is held out."""

from collections.abc import Iterator, Sequence

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import SCHEMA, blocking, schema_holds
from assets.partitions import SEED_BATCHES
from marco_dag import seeds
from marco_dag.errors import SeedFileError
from marco_dag.schemas import TABLES
from marco_dag.seeds import GENERATED, SEEDS_VERSION, Inbox, SeedFile, SkippedFile, batch_table
from resources.steps import Step, Steps

_GROUP = "seeds"
_KINDS = {"polars", "parquet"}


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

    Takes in what was dropped into the seeds folder, each content once. `generated` is always among the batches.
    """
    with steps.open(context) as step:
        inbox = Inbox(step.storage.seeds, step.storage.seed_files)
        scan = inbox.scan_settled()
        batches = batch_table(inbox.batches())
        context.instance.add_dynamic_partitions(SEED_BATCHES.name, batches["batch"].to_list())
        yield step.finish(
            batches,
            metadata={
                "new": [batch.batch for batch in scan.new],
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
            deps=["seed_batches"],
            group_name=_GROUP,
            kinds=_KINDS,
            owners=OWNERS,
            code_version=SEEDS_VERSION,
        ).with_io_manager_key("tables"),
        dg.AssetSpec(
            "seed_quarantine",
            description="The rows of a batch that were left out: file, line, field and reason.",
            deps=["seed_batches"],
            group_name=_GROUP,
            kinds=_KINDS,
            owners=OWNERS,
            code_version=SEEDS_VERSION,
        ).with_io_manager_key("tables"),
    ],
    name="seed_questions",
    partitions_def=SEED_BATCHES,
    check_specs=[blocking(SCHEMA, "seed_prompts"), blocking(SCHEMA, "seed_quarantine")],
)
def seed_prompts(context: dg.AssetExecutionContext, steps: Steps) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Generate the batch `generated`, or read a batch's file."""
    with steps.open(context) as step:
        read = _read_batch(step, context.partition_key)
        yield step.finish(
            read.prompts,
            output="seed_prompts",
            metadata={
                "quarantined": read.quarantine.height,
                "questions by task": dict(read.prompts["task"].value_counts(sort=True).rows()),
            },
            checks=[schema_holds(read.prompts, "seed_prompts")],
        )
        yield step.finish(
            read.quarantine,
            output="seed_quarantine",
            metadata={"reasons": dict(read.quarantine["reason"].value_counts(sort=True).head(20).rows())},
            checks=[schema_holds(read.quarantine, "seed_quarantine")],
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


def _read_batch(step: Step, batch: str) -> SeedFile:
    config = step.profile.seeds
    if batch == GENERATED:
        generated = seeds.generated_seeds(config, seed=step.profile.seed, batch=batch)
        return SeedFile(generated, TABLES["seed_quarantine"].to_frame())
    inbox = Inbox(step.storage.seeds, step.storage.seed_files)
    if (known := inbox.find(batch)) is None:
        raise SeedFileError(f"no seeds file was taken in as batch {batch!r}; drop the file into {inbox.folder} again")
    return seeds.read_seed_file(inbox.copy_of(known), batch=batch, config=config, name=known.file)


def _named(files: Sequence[SkippedFile]) -> list[str]:
    return [f"{skipped.file}: {skipped.reason}" for skipped in files]
