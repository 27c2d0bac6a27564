"""Search trees: what the generator and the critic thought about every question of a batch."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import SCHEMA, blocking, schema_holds
from assets._gpu import GPU_POOL, SHARDED_GPU_TAGS
from assets.partitions import SEED_BATCHES
from marco_dag.errors import SeedError
from marco_dag.identity import JsonValue
from marco_dag.schemas import digest_frame
from marco_dag.search import SEARCH_VERSION, THOUGHTS_FILE, TREES_FILE
from marco_dag.seeds import within_difficulty
from marco_dag.store import Artifact
from resources.models import Models
from resources.searches import Searches
from resources.steps import Step, Steps

_GROUP = "search"
_KINDS = {"pytorch", "polars", "parquet"}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "mcts_trees",
            description="One search a question: its pattern, how far it came, how many answers were right and wrong.",
            deps=["seed_prompts", "seed_difficulty", "base_models"],
            metadata={"table": "trees"},
            group_name=_GROUP,
            kinds=_KINDS,
            owners=OWNERS,
            code_version=SEARCH_VERSION,
        ).with_io_manager_key("tables"),
        dg.AssetSpec(
            "thoughts",
            description="Every node of every tree: its text, who wrote it, its visits, its value, its verdict.",
            deps=["seed_prompts", "seed_difficulty", "base_models"],
            group_name=_GROUP,
            kinds=_KINDS,
            owners=OWNERS,
            code_version=SEARCH_VERSION,
        ).with_io_manager_key("tables"),
    ],
    ins={"seed_prompts": dg.AssetIn("seed_prompts"), "base_models": dg.AssetIn("base_models")},
    name="tree_search",
    partitions_def=SEED_BATCHES,
    check_specs=[blocking(SCHEMA, "mcts_trees"), blocking(SCHEMA, "thoughts")],
    pool=GPU_POOL,
    op_tags=SHARDED_GPU_TAGS,
)
def mcts_trees(
    context: dg.AssetExecutionContext,
    seed_prompts: pl.DataFrame,
    base_models: Models,
    steps: Steps,
    searches: Searches,
) -> Iterator[dg.MaterializeResult[pl.DataFrame | pl.LazyFrame]]:
    """Search every question of the batch with two models."""
    with steps.open(context) as step:
        seeds = _wanted(step, seed_prompts)
        grown = _search(step, seeds, base_models, searches)
        trees, thoughts = pl.read_parquet(grown.path / TREES_FILE), pl.scan_parquet(grown.path / THOUGHTS_FILE)
        found = {
            "solved": trees.filter(pl.col("correct") > 0).height,
            "right and wrong": trees.filter((pl.col("correct") > 0) & (pl.col("wrong") > 0)).height,
            "failed": trees.filter(pl.col("stop_reason").str.starts_with("failed")).height,
            "sampled tokens": int(trees["tokens"].sum()),
        }
        step.run.log_metrics(found)
        yield step.finish(
            trees,
            output="mcts_trees",
            data_version=grown.id,
            artifact=grown,
            metadata={
                **found,
                "too easy or too hard": seed_prompts.height - seeds.height,
                "stopped because": dict(trees["stop_reason"].value_counts(sort=True).rows()),
            },
            checks=[schema_holds(trees, "trees")],
        )
        kinds = (
            thoughts.group_by("kind")
            .agg(pl.len().alias("thoughts"), pl.col("defect").count().alias("defects"))
            .sort("thoughts", "kind", descending=True)
            .collect(engine="streaming")
        )
        yield step.finish(
            thoughts,
            output="thoughts",
            data_version=grown.id,
            artifact=grown,
            metadata={
                "kinds": dict(kinds.select("kind", "thoughts").rows()),
                "kept out of training": int(kinds["defects"].sum()),
            },
            checks=[schema_holds(thoughts, "thoughts")],
        )


def _wanted(step: Step, seeds: pl.DataFrame) -> pl.DataFrame:
    """The seeds to search: all, or those of the difficulty that the profile asks for."""
    config = step.profile.seeds.difficulty
    if config is None:
        return seeds
    file = step.storage.table_file("seed_difficulty", step.context.partition_key)
    if not file.exists():
        raise SeedError(f"seeds.difficulty is set, and {file} was not made yet; materialize seed_difficulty first")
    return within_difficulty(seeds, pl.read_parquet(file), config)


def _search(step: Step, seeds: pl.DataFrame, models: Models, searches: Searches) -> Artifact:
    profile = step.profile
    key: dict[str, JsonValue] = {
        "seeds": digest_frame(seeds),
        "models": {role: models[role].digest for role in ("generator", "critic")},
        "config": profile.search.model_dump(mode="json", exclude={"live_sequences"}),
        "seed": profile.seed,
        "code": SEARCH_VERSION,
    }

    def search(folder: Path) -> None:
        searches.search(folder, seeds, models, profile)

    return step.reuse_or_make("trees", key, search)
