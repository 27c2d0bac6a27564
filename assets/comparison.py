"""Does the tree pay for itself? Baselines on the questions of a batch, each at the tokens that its tree took.

Stands beside the pipeline: nothing is made from it, and it runs only when it is asked for.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from assets import OWNERS
from assets._checks import SCHEMA, blocking, schema_holds
from assets._gpu import GPU_POOL, GPU_TAGS
from assets.partitions import SEED_BATCHES
from marco_dag.identity import JsonValue
from marco_dag.schemas import digest_frame
from marco_dag.search import SEARCH_VERSION, compare_strategies
from resources.engines import EnginesResource
from resources.models import Models
from resources.steps import Steps

_COMPARISON_FILE = "comparison.parquet"


@dg.asset(
    partitions_def=SEED_BATCHES,
    group_name="search",
    kinds={"pytorch", "polars", "parquet"},
    owners=OWNERS,
    code_version=SEARCH_VERSION,
    io_manager_key="tables",
    check_specs=[blocking(SCHEMA, "strategy_comparison")],
    pool=GPU_POOL,
    op_tags=GPU_TAGS,
)
def strategy_comparison(
    context: dg.AssetExecutionContext,
    seed_prompts: pl.DataFrame,
    mcts_trees: pl.DataFrame,
    base_models: Models,
    steps: Steps,
    engines: EnginesResource,
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Best-of-N and beam search beside the tree search, at equal tokens: solved, correct chains, pairs, with errors."""
    with steps.open(context) as step:
        profile = step.profile
        key: dict[str, JsonValue] = {
            "trees": digest_frame(mcts_trees.drop("seconds")),
            "models": {role: base_models[role].digest for role in ("generator", "critic")},
            "config": profile.search.model_dump(mode="json", exclude={"live_sequences"}),
            "seed": profile.seed,
            "code": SEARCH_VERSION,
        }

        searched = seed_prompts.filter(pl.col("seed_id").is_in(mcts_trees["seed_id"].to_list()))

        def compare(folder: Path) -> None:
            with engines.open_roles(base_models, profile) as roles:
                found = compare_strategies(folder, mcts_trees, searched, roles, profile.search, seed=profile.seed)
            found.write_parquet(folder / _COMPARISON_FILE)

        artifact = step.reuse_or_make("comparisons", key, compare)
        comparison = pl.read_parquet(artifact.path / _COMPARISON_FILE)
        for row in comparison.iter_rows(named=True):
            step.run.log_metrics({f"{row['strategy']}.{name}": row[name] for name in ("solved", "correct", "tokens")})
        yield step.finish(comparison, artifact=artifact, checks=[schema_holds(comparison, "strategy_comparison")])
