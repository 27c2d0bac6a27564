"""Many trees in flight: one coroutine a tree, every engine call awaited, batching left to the engines.

The tables do not depend on how many trees are in flight, nor on which tree is served first: each tree has a random
generator of its own, and each request a seed of its own.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import polars as pl

from marco_dag.engines.protocol import Role, RoleEngines
from marco_dag.errors import EngineError, SearchError
from marco_dag.identity import content_id, derive_seed
from marco_dag.progress import progress
from marco_dag.schemas import conform
from marco_dag.search.calls import DirectCalls
from marco_dag.search.config import SearchConfig
from marco_dag.search.patterns import Pattern, resolve_patterns
from marco_dag.search.prompts import PromptWriter
from marco_dag.search.rollout import TreeSearch
from marco_dag.search.tables import Forest, TreeRows, rows_of, to_forest
from marco_dag.search.tree import Tree
from marco_dag.tasks import TASKS
from marco_dag.tasks.protocol import Reference, Task

SEARCH_VERSION = "2"
"""Part of every tree's id; goes up whenever the same inputs would give other trees."""


@dataclass(frozen=True, slots=True)
class _SeedRow:
    seed_id: str
    batch: str
    prompt: str
    task: Task
    reference: Reference


def search_trees(
    seeds: pl.DataFrame, engines: RoleEngines, config: SearchConfig, *, seed: int, tasks: Mapping[str, Task] = TASKS
) -> Forest:
    """Grow one tree a row of `seeds` (`schemas.SEED_PROMPTS`), with a progress bar: trees, solved, tokens/s, ETA.

    Same inputs, same tables, but for the column `seconds`. A tree whose engine fails stops with "failed: …" and keeps
    what it had. SearchError where no search is possible (a role without an engine, a bad seed row) or every tree
    failed; ProfileError where the configuration names an impossible pattern. Not for use within a running event loop:
    await `grow_forest` there.
    """
    solved = tokens = 0
    start = time.perf_counter()
    with progress("search", len(seeds), "trees") as bar:

        def show(search: TreeSearch) -> None:
            nonlocal solved, tokens
            solved += search.correct > 0
            tokens += search.tokens
            bar.advance(solved=solved, tokens_per_s=f"{tokens / (time.perf_counter() - start):.0f}")

        return asyncio.run(grow_forest(seeds, engines, config, seed=seed, tasks=tasks, on_tree=show))


async def grow_forest(
    seeds: pl.DataFrame,
    engines: RoleEngines,
    config: SearchConfig,
    *,
    seed: int,
    tasks: Mapping[str, Task] = TASKS,
    on_tree: Callable[[TreeSearch], None] | None = None,
) -> Forest:
    """`search_trees` within a running event loop and without a bar; `on_tree` is called as each tree is finished."""
    patterns = resolve_patterns(config)
    if missing := [role for role in get_args(Role) if role not in engines]:
        raise SearchError(f"no engine for the role {' and '.join(missing)}")
    rows = _read_seeds(seeds, tasks)
    grown: dict[int, TreeRows] = {}
    failures: dict[int, EngineError] = {}
    plant = _planter(patterns, engines, config, seed)
    waiting = iter(enumerate(rows))

    async def grow_one_after_another() -> None:
        for index, row in waiting:
            search = plant(row)
            await search.grow()
            grown[index] = rows_of(search, row.seed_id, row.batch, row.task.name)
            if search.failure:
                failures[index] = search.failure
            if on_tree:
                on_tree(search)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(256, len(rows))):
                group.create_task(grow_one_after_another())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    if rows and len(failures) == len(rows):
        cause = failures[0]
        raise SearchError(f"all {len(rows)} trees failed; the first: {cause}") from cause
    return to_forest(grown[index] for index in range(len(rows)))


def _planter(
    patterns: Sequence[Pattern], engines: RoleEngines, config: SearchConfig, seed: int
) -> Callable[[_SeedRow], TreeSearch]:
    """What makes the search of a seed; all that decides its tree is in the tree's id."""
    settings = config.model_dump(mode="json", exclude={"live_sequences"})
    digests = {role: engine.model_digest for role, engine in engines.items()}

    def plant(row: _SeedRow) -> TreeSearch:
        rng = random.Random(derive_seed(seed, row.seed_id))
        pattern = rng.choice(patterns)
        tree_id = content_id("tree", SEARCH_VERSION, row.seed_id, pattern.name, seed, digests, settings)
        writer = PromptWriter(row.prompt, tree_id, config, seed)
        calls = DirectCalls(engines, row.task, row.reference)
        return TreeSearch(Tree(tree_id), pattern, writer, calls, config, rng)

    return plant


def _read_seeds(seeds: pl.DataFrame, tasks: Mapping[str, Task]) -> list[_SeedRow]:
    try:
        rows = conform(seeds, "seed_prompts").to_dicts()
    except ValueError as error:
        raise SearchError(f"seed prompts: {error}") from error
    read: dict[str, _SeedRow] = {}
    for row in rows:
        seed_id, task = row["seed_id"], row["task"]
        if nulls := [name for name, value in row.items() if value is None]:
            raise SearchError(f"seed {seed_id}: {', '.join(nulls)}: null")
        if seed_id in read:
            raise SearchError(f"seed {seed_id}: stands in the seed prompts twice; its trees would be one and the same")
        if task not in tasks:
            raise SearchError(f"seed {seed_id}: task: unknown task {task!r}; known: {', '.join(tasks)}")
        try:
            reference = _read_reference(row["reference"], tasks[task])
        except ValueError as error:
            raise SearchError(f"seed {seed_id}: reference: {error}") from error
        read[seed_id] = _SeedRow(seed_id, row["batch"], row["prompt"], tasks[task], reference)
    return list(read.values())


def _read_reference(text: str, task: Task) -> Reference:
    reference = json.loads(text)
    if not isinstance(reference, dict):
        raise ValueError(f"{text[:80]!r} is not a JSON object")
    task.check_reference(reference)
    return reference
