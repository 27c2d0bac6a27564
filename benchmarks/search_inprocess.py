"""Tree search with the in-process engine: see `benchmarks.search_load`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from benchmarks.figure import Figure
from benchmarks.search_load import PROFILE, find_models, measure_load
from marco_dag.engines import Role, RoleEngines, TransformersConfig, load_engine

_TREES_PER_TASK = 400
"""Four tasks: enough that the first and the last trees, when little is in flight, do not rule."""
_ONE_IN = 80
"""Every eightieth tree is grown with one call at a time, which is slow."""


def measure() -> list[Figure]:
    """Search 1,600 trees, replay their requests all at once, and search 20 trees call by call; five times each."""
    models = find_models()
    config = TransformersConfig.model_validate(PROFILE.engine.model_dump())

    @contextmanager
    def open_engines(live: int | None) -> Iterator[RoleEngines]:
        own = config if live is None else config.model_copy(update={"max_live_sequences": live})
        roles: tuple[Role, ...] = get_args(Role)
        yield {role: load_engine(models / role, own) for role in roles}

    return measure_load(
        "inprocess", open_engines, trees_per_task=_TREES_PER_TASK, one_in=_ONE_IN, live=(256, 512, 1024)
    )
