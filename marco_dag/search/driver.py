"""A search from seed prompts to tables.

The tables do not depend on how much is in flight, nor on which tree is served first, nor on how often the search was
killed and resumed: each tree has a random generator of its own, each request a seed of its own, and every answer is in
the journal (`marco_dag.search.folder`) before its tree goes on. Memory holds the trees under way and the finished ones
of their blocks, however many seeds there are.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import polars as pl

from marco_dag.engines.protocol import Role, RoleEngines
from marco_dag.errors import EngineError, SearchError
from marco_dag.schemas import digest_frame
from marco_dag.search.config import SearchConfig
from marco_dag.search.folder import SearchFolder
from marco_dag.search.planting import Planter
from marco_dag.search.prompts import PromptWriter
from marco_dag.search.scheduler import Scheduler
from marco_dag.search.seed_rows import SeedRows
from marco_dag.search.tables import Forest
from marco_dag.search.tally import tally_of
from marco_dag.search.tree import Tree
from marco_dag.tasks import TASKS
from marco_dag.tasks.protocol import Task

TREES_FILE, THOUGHTS_FILE = "trees.parquet", "thoughts.parquet"
"""What a finished search leaves in its folder."""

UNDER_WAY = "search"
"""The folder beside them that holds the journals and the finished blocks until the tables are whole."""


def search_trees(
    seeds: pl.DataFrame,
    engines: RoleEngines,
    config: SearchConfig,
    *,
    seed: int,
    tasks: Mapping[str, Task] = TASKS,
    budgets: Mapping[str, int] | None = None,
) -> Forest:
    """`search_into` a folder that is gone afterwards: for searches that are short and fit into memory."""
    with tempfile.TemporaryDirectory(prefix="marco-search-") as name:
        folder = Path(name)
        search_into(folder, seeds, engines, config, seed=seed, tasks=tasks, budgets=budgets)
        return Forest(pl.read_parquet(folder / TREES_FILE), pl.read_parquet(folder / THOUGHTS_FILE))


def search_into(
    folder: Path,
    seeds: pl.DataFrame,
    engines: RoleEngines,
    config: SearchConfig,
    *,
    seed: int,
    tasks: Mapping[str, Task] = TASKS,
    budgets: Mapping[str, int] | None = None,
) -> None:
    """Grow one tree a row of `seeds` (`schemas.SEED_PROMPTS`) into `folder`, with a progress bar; go on if one began.

    Leaves `trees.parquet` (`schemas.TREES`, in the order of the seeds) and `thoughts.parquet` (`schemas.THOUGHTS`, tree
    after tree, a parent before its children). Same inputs, same tables, but for the column `seconds`. Where an earlier
    call was killed in this folder, what its engines had answered is not asked again. `budgets`, by seed id, takes the
    place of `max_tree_tokens` for single trees.

    A request that cannot be served ends its tree alone: it stops with "failed: …" and keeps what it had.
    EngineUnavailableError where an engine is gone: call again to go on. EngineError where an engine refuses such
    requests from the start. SearchError where no search is possible (a role without an engine, a bad seed row, a full
    disk, another process or a search of other inputs in the folder) or every tree failed. ProfileError where the
    configuration names an impossible pattern. Not for use within a running event loop: await `grow_forest` there.
    """
    asyncio.run(grow_forest(folder, seeds, engines, config, seed=seed, tasks=tasks, budgets=budgets))


async def grow_forest(
    folder: Path,
    seeds: pl.DataFrame,
    engines: RoleEngines,
    config: SearchConfig,
    *,
    seed: int,
    tasks: Mapping[str, Task] = TASKS,
    budgets: Mapping[str, int] | None = None,
) -> None:
    """`search_into` within a running event loop."""
    if missing := [role for role in get_args(Role) if role not in engines]:
        raise SearchError(f"no engine for the role {' and '.join(missing)}")
    planter = Planter(engines, config, seed=seed, budgets=budgets)
    rows = SeedRows(seeds, tasks)
    key = {"seeds": digest_frame(seeds), **planter.key()}
    try:
        with SearchFolder(folder / UNDER_WAY, key, len(rows)) as under_way:
            if not (folder / TREES_FILE).exists():
                await _grow(rows, planter, engines, config, under_way)
                under_way.assemble(folder / TREES_FILE, folder / THOUGHTS_FILE)
            under_way.clear()
    finally:
        for engine in {id(engine): engine for engine in engines.values()}.values():
            await engine.close()


async def _grow(
    rows: SeedRows, planter: Planter, engines: RoleEngines, config: SearchConfig, under_way: SearchFolder
) -> None:
    before = under_way.totals()
    if before.done < len(rows):
        await _check_engines(rows, planter, engines, config)
    with tally_of(len(rows), done=before.done, solved=before.solved, failed=before.failed) as tally:
        await Scheduler(rows, planter, engines, config, under_way, tally).run()
    if tally.failed == len(rows) > 0:
        under_way.clear()
        cause = tally.first_failure
        raise SearchError(f"all {len(rows)} trees failed; the first: {cause or 'in an earlier run'}") from cause


async def _check_engines(rows: SeedRows, planter: Planter, engines: RoleEngines, config: SearchConfig) -> None:
    """EngineError, naming the role, where an engine could not even begin on the shortest prompt."""
    writer = PromptWriter(rows.shortest_prompt(), "check", config, 0)
    request = writer.ask(Tree("check").root, "", planter.patterns[0].first[0]).request
    for role, engine in engines.items():
        try:
            await engine.check(request)
        except EngineError as error:
            raise type(error)(f"{role}: {error}") from error
