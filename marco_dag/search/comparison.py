"""Does the tree pay for itself? Baselines beside a finished search, each seed at the tokens that its tree took."""

import math
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from marco_dag.engines.protocol import RoleEngines
from marco_dag.schemas import STRATEGY_COMPARISON
from marco_dag.search.config import NO_END_BUT_TOKENS, SearchConfig
from marco_dag.search.driver import TREES_FILE, search_into
from marco_dag.tasks import TASKS
from marco_dag.tasks.protocol import Task

_MEASURES = ("solved", "correct", "pairable")


def compare_strategies(
    folder: Path,
    trees: pl.DataFrame,
    seeds: pl.DataFrame,
    engines: RoleEngines,
    config: SearchConfig,
    *,
    seed: int,
    tasks: Mapping[str, Task] = TASKS,
) -> pl.DataFrame:
    """Search `seeds` anew by each baseline, and compare with `trees` (`schemas.TREES`), which `config` grew from them.

    Returns `schemas.STRATEGY_COMPARISON`, the search that is compared with first. A baseline may sample for each seed
    as many tokens as the tree did, and nothing else ends it; its last step may go over that, so tokens are reported.
    Gains are paired by seed. Each search keeps itself in `folder/<baseline>` and goes on there when it was killed.
    Raises as `search_into`.
    """
    budgets = dict(trees.select("seed_id", "tokens").iter_rows())
    grown: dict[str, pl.DataFrame] = {config.strategy: trees}
    for name, changes in _baselines(config).items():
        own = config.model_copy(update={**NO_END_BUT_TOKENS, **changes})
        search_into(folder / name, seeds, engines, own, seed=seed, tasks=tasks, budgets=budgets)
        grown[name] = pl.read_parquet(folder / name / TREES_FILE)
    return summarize_strategies(grown)


def summarize_strategies(grown: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Finished searches (`schemas.TREES`) of the same seeds by name; gains are over the first, ± standard errors."""
    first, *_ = (_measures(trees) for trees in grown.values())
    rows = []
    for name, trees in grown.items():
        own = _measures(trees)
        row: dict[str, object] = {"strategy": name, "seeds": own.height, "tokens": own["tokens"].mean()}
        paired = own.join(first, on="seed_id", suffix="_first")
        for measure in _MEASURES:
            gains = paired[measure] - paired[f"{measure}_first"]
            row |= {measure: own[measure].mean(), f"{measure}_gain": gains.mean(), f"{measure}_gain_se": _se(gains)}
        rows.append(row | {"seconds": trees["seconds"].sum()})
    return pl.DataFrame(rows, schema=STRATEGY_COMPARISON)


def _baselines(config: SearchConfig) -> Mapping[str, Mapping[str, object]]:
    """What each changes in the configuration."""
    return {
        "best-of-n": {"strategy": "best-of-n"},
        "beam": {"strategy": "beam", "beam_groups": 1},
        "diverse-beam": {"strategy": "beam", "beam_groups": config.beam_width},
    }


def _measures(trees: pl.DataFrame) -> pl.DataFrame:
    correct = pl.col("correct").cast(pl.Float64)
    return trees.select(
        "seed_id",
        "tokens",
        correct,
        solved=(correct > 0).cast(pl.Float64),
        pairable=((correct > 0) & (pl.col("wrong") > 0)).cast(pl.Float64),
    )


def _se(gains: pl.Series) -> float | None:
    spread = gains.std()
    return None if spread is None else float(str(spread)) / math.sqrt(len(gains))
