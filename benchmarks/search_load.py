"""What a search gets out of its engines: beside the same engines given everything at once, and one call at a time.

    saturation = tokens/s of the search / tokens/s of the same engines given the very same requests, all at once
    speedup    = tokens/s of the search / tokens/s of the same search with one blocking call after another

The whole search counts: its beginning, its last hard tree, its journal and its tables. The engines that are given all
requests at once are given as many together as suits them best.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import polars as pl

from benchmarks.figure import Figure
from marco_dag.engines import Completion, Engine, Request, Role, RoleEngines, complete_all
from marco_dag.miniature import MODELS_KIND, PretrainingConfig, embedded_models
from marco_dag.profiles import load_profile
from marco_dag.search import SearchConfig, search_trees
from marco_dag.seeds import generated_seeds
from marco_dag.store import ArtifactStore

PROFILE = load_profile("miniature")
"""Whose models search, with whose settings."""

Open: TypeAlias = Callable[[int | None], AbstractContextManager[RoleEngines]]
"""Opens engines that remember nothing, with so many sequences at once each; None leaves that to the engine."""

_REPETITIONS = 5


def measure_load(
    name: str, open_engines: Open, *, trees_per_task: int, one_in: int, live: Sequence[int]
) -> list[Figure]:
    """Search, replay the search's requests all at once, and search one tree `one_in` call by call; five times each.

    `live` are the numbers of sequences at once that are tried to find the engines' best.
    """
    config = PROFILE.seeds.model_copy(update={"generated_per_task": trees_per_task})
    seeds = generated_seeds(config, seed=0, batch="generated")
    _, requests = _search(seeds, open_engines)  # not counted: the first one warms up
    tried = {count: _replay(requests, open_engines, count) for count in live}
    best = max(tried, key=tried.__getitem__)
    searched, replayed, blocking = [], [], []
    for _ in range(_REPETITIONS):
        searched.append(_search(seeds, open_engines)[0])
        replayed.append(_replay(requests, open_engines, best))
        blocking.append(_search(seeds.gather_every(one_in), open_engines, one_at_a_time=True)[0])
    return [
        Figure(f"search.{name}_tokens_per_s", "tok/s", searched),
        Figure(f"search.{name}_saturated_tokens_per_s", "tok/s", replayed),
        Figure(f"search.{name}_saturated_live", "", [best]),
        Figure(f"search.saturation.{name}", "ratio", [a / b for a, b in zip(searched, replayed, strict=True)]),
        Figure(f"search.speedup.{name}", "ratio", [a / b for a, b in zip(searched, blocking, strict=True)]),
    ]


def find_models() -> Path:
    """The folder with the miniature's generator and critic as its profile trains them; made where it is missing.

    Shorter training would give thoughts that do not close their tags, and so trees of another shape. The student plays
    no part here and is left untrained.
    """
    config = PROFILE.miniature.model_copy(update={"student": PretrainingConfig(steps=1)})
    share = PROFILE.seeds.held_out_share
    key, train = embedded_models(config, held_out_share=share, seed=PROFILE.seed)
    return ArtifactStore(Path("build")).get_or_make(MODELS_KIND, key, train).path


class _Recorder:
    """An engine that passes everything on, and remembers what it was asked and how much it sampled."""

    def __init__(self, engine: Engine, gate: asyncio.Semaphore | None) -> None:
        self._engine = engine
        self._gate = gate
        self.requests: list[Request] = []
        self.tokens = 0

    @property
    def model_digest(self) -> str:
        return self._engine.model_digest

    @property
    def capacity(self) -> int:
        return self._engine.capacity

    async def check(self, request: Request) -> None:
        await self._engine.check(request)

    async def close(self) -> None:
        await self._engine.close()

    async def complete(self, request: Request) -> Sequence[Completion]:
        self.requests.append(request)
        if self._gate is None:
            completions = await self._engine.complete(request)
        else:
            async with self._gate:
                completions = await self._engine.complete(request)
        self.tokens += sum(completion.tokens for completion in completions)
        return completions


def _search(
    seeds: pl.DataFrame, open_engines: Open, *, one_at_a_time: bool = False
) -> tuple[float, Mapping[Role, Sequence[Request]]]:
    """Tokens per second of a search, and what it asked of its engines, each under one of its roles."""
    config: SearchConfig = PROFILE.search
    gate = asyncio.Semaphore(1) if one_at_a_time else None
    with open_engines(None) as engines:
        recorders = {engine: _Recorder(engine, gate) for engine in dict.fromkeys(engines.values())}
        roles: dict[Role, _Recorder] = {role: recorders[engine] for role, engine in engines.items()}
        start = time.perf_counter()
        search_trees(seeds, roles, config, seed=0)
        seconds = time.perf_counter() - start
    tokens = sum(recorder.tokens for recorder in recorders.values())
    asked = {recorder: role for role, recorder in reversed(roles.items())}  # roles may share one
    return tokens / seconds, {role: recorder.requests for recorder, role in asked.items()}


def _replay(requests: Mapping[Role, Sequence[Request]], open_engines: Open, live: int) -> float:
    """Tokens per second of engines that are given all `requests` at once, in the order they were asked."""

    async def complete_everything(engines: RoleEngines) -> list[list[Sequence[Completion]]]:
        try:
            return await asyncio.gather(*(complete_all(engines[role], asked) for role, asked in requests.items()))
        finally:
            for engine in engines.values():
                await engine.close()

    with open_engines(live) as engines:
        start = time.perf_counter()
        answered = asyncio.run(complete_everything(engines))
        seconds = time.perf_counter() - start
    return sum(one.tokens for answers in answered for samples in answers for one in samples) / seconds
