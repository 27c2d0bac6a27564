"""Tree search on vLLM's CPU build, one server in both roles: see `benchmarks.search_load`.

Needs `make install-vllm`. The server is started once; before every run it forgets the prefixes that it has seen. Two
servers on two cores would measure how they stand in each other's way.
"""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.search_load import find_models, measure_load
from marco_dag.engines import CallsConfig, RoleEngines, VllmConfig
from marco_dag.engines.adaptive_limit import AdaptiveLimit
from marco_dag.engines.guarded_server import GuardedServer, environment_of, free_port
from marco_dag.engines.http_calls import HttpCalls
from marco_dag.engines.loading import checkpoint_digest, load_tokenizer
from marco_dag.engines.rendering import PromptEncoder
from marco_dag.engines.server_engine import ServerEngine
from marco_dag.engines.vllm_servers import MODEL_NAME, serve_command, serve_environment

_PYTHON = Path(".venv-vllm/bin/python")
_TREES_PER_TASK = 150
"""Four tasks: enough that the first and the last trees, when little is in flight, do not rule."""
_ONE_IN = 60


class _FixedLimit(AdaptiveLimit):
    """As many completions at once as it is told."""

    def __init__(self, live: int) -> None:
        super().__init__(live)
        self._live_at_once = live

    @property
    def limit(self) -> int:
        return self._live_at_once


def measure() -> list[Figure]:
    """Search 600 trees, replay their requests all at once, and search 10 trees call by call; five times each."""
    models = find_models()
    config = VllmConfig(
        kind="vllm",
        python=str(_PYTHON),
        device="cpu",
        kv_cache_gb=2,
        arguments=("--dtype", "float32", "--distributed-executor-backend", "uni"),
        environment={"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_SERVER_DEV_MODE": "1"},
    )
    with _start(models / "generator", config) as server:
        server.wait_until_healthy(config.start_timeout_s)

        @contextmanager
        def open_engines(live: int | None) -> Iterator[RoleEngines]:
            forget = urllib.request.Request(f"{server.url}/reset_prefix_cache", method="POST")
            urllib.request.urlopen(forget).close()
            engine = _connect(models / "generator", server.url, live)
            yield {"generator": engine, "critic": engine}

        return measure_load("vllm", open_engines, trees_per_task=_TREES_PER_TASK, one_in=_ONE_IN, live=(128, 256))


def _start(checkpoint: Path, config: VllmConfig) -> GuardedServer:
    port = free_port()
    return GuardedServer(
        "model",
        serve_command(checkpoint, config, 0, port=port, on_cpu=True),
        environment_of(config.python, serve_environment(checkpoint, config, 0, key="", on_cpu=True)),
        port=port,
        restarts=0,
        log=Path("build/vllm.log"),
        say=lambda _: None,
    )


def _connect(checkpoint: Path, url: str, live: int | None) -> ServerEngine:
    calls = CallsConfig()
    limit = AdaptiveLimit(calls.max_in_flight) if live is None else _FixedLimit(live)
    return ServerEngine(
        HttpCalls(url, calls, on_too_busy=limit.shrink),
        limit,
        PromptEncoder(load_tokenizer(checkpoint)),
        model=MODEL_NAME,
        model_digest=checkpoint_digest(checkpoint),
    )
