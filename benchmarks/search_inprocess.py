"""Tree search with the in-process engine: how near it comes to the engine's own speed, how far from one call at a time.

The miniature's generator and critic (trained once into `build/`, two minutes) search with its profile's settings. Then:

    saturation = tokens/s of the search / tokens/s of fresh engines given the very same requests, all at once
    speedup    = tokens/s of the search / tokens/s of the same search with one blocking call after another

The whole search counts: its beginning, its last hard tree, its journal and its tables. The engines that are given all
requests at once decode as many together as suits them best; the search keeps to the profile's default.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import polars as pl

from benchmarks.figure import Figure
from marco_dag.engines import Completion, Engine, Request, Role, TransformersConfig, complete_all, load_engine
from marco_dag.identity import JsonValue
from marco_dag.miniature import MINIATURE_VERSION, PretrainingConfig, train_miniature_models
from marco_dag.profiles import load_profile
from marco_dag.search import SearchConfig, search_trees
from marco_dag.seeds import generated_seeds
from marco_dag.store import ArtifactStore

_REPETITIONS = 5
_TREES_PER_TASK = 90
"""Four tasks: enough that the first and the last trees, when little is in flight, do not rule."""
_ONE_IN = 12
"""Every twelfth tree is grown with one call at a time: that takes as long as all of them together."""
_LIVE = (64, 128, 256, 512)
_PROFILE = load_profile("miniature")
_ENGINE = TransformersConfig.model_validate(_PROFILE.engine.model_dump())


def measure() -> list[Figure]:
    """Search 360 trees, replay their requests all at once, and search 30 trees call by call; five times each."""
    models = _find_models()
    seeds = generated_seeds(
        _PROFILE.seeds.model_copy(update={"generated_per_task": _TREES_PER_TASK}), seed=0, batch="generated"
    )
    _, requests = _search(seeds, models)  # not counted: the first one warms up
    best = max(_LIVE, key=lambda live: _replay(requests, models, live))
    searched, replayed, blocking = [], [], []
    for _ in range(_REPETITIONS):
        searched.append(_search(seeds, models)[0])
        replayed.append(_replay(requests, models, best))
        blocking.append(_search(seeds.gather_every(_ONE_IN), models, _PROFILE.search, one_at_a_time=True)[0])
    return [
        Figure("search.inprocess_tokens_per_s", "tok/s", searched),
        Figure("search.inprocess_saturated_tokens_per_s", "tok/s", replayed),
        Figure("search.inprocess_saturated_live", "", [best]),
        Figure("search.saturation.inprocess", "ratio", [a / b for a, b in zip(searched, replayed, strict=True)]),
        Figure("search.speedup.inprocess", "ratio", [a / b for a, b in zip(searched, blocking, strict=True)]),
    ]


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
    seeds: pl.DataFrame, models: Path, config: SearchConfig = _PROFILE.search, *, one_at_a_time: bool = False
) -> tuple[float, Mapping[Role, Sequence[Request]]]:
    """Tokens per second of a search with cold engines, and what was asked of them."""
    gate = asyncio.Semaphore(1) if one_at_a_time else None
    roles: dict[Role, _Recorder] = {
        role: _Recorder(load_engine(models / role, _ENGINE), gate) for role in get_args(Role)
    }
    start = time.perf_counter()
    search_trees(seeds, roles, config, seed=0)
    seconds = time.perf_counter() - start
    tokens = sum(engine.tokens for engine in roles.values())
    return tokens / seconds, {role: engine.requests for role, engine in roles.items()}


def _replay(requests: Mapping[Role, Sequence[Request]], models: Path, live: int) -> float:
    """Tokens per second of cold engines that are given all `requests` at once, in the order they were asked."""
    config = _ENGINE.model_copy(update={"max_live_sequences": live})
    engines = {role: load_engine(models / role, config) for role in requests}

    async def complete_everything() -> list[list[Sequence[Completion]]]:
        return await asyncio.gather(*(complete_all(engines[role], asked) for role, asked in requests.items()))

    start = time.perf_counter()
    answered = asyncio.run(complete_everything())
    seconds = time.perf_counter() - start
    return sum(one.tokens for answers in answered for samples in answers for one in samples) / seconds


def _find_models() -> Path:
    """The folder with the miniature's generator and critic as its profile trains them; made where it is missing.

    Shorter training would give thoughts that do not close their tags, and so trees of another shape. The student plays
    no part here and is left untrained.
    """
    config = _PROFILE.miniature.model_copy(update={"student": PretrainingConfig(steps=1)})
    share = _PROFILE.seeds.held_out_share
    key: dict[str, JsonValue] = {
        "config": config.model_dump(mode="json"),
        "held_out_share": share,
        "seed": _PROFILE.seed,
        "code": MINIATURE_VERSION,
    }

    def train(folder: Path) -> None:
        train_miniature_models(config, held_out_share=share, seed=_PROFILE.seed, folder=folder)

    return ArtifactStore(Path("build")).get_or_make("models", key, train).path
