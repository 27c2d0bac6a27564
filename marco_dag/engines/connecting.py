"""Engines over servers that somebody else runs."""

import os
from pathlib import Path

from marco_dag.engines.adaptive_limit import AdaptiveLimit
from marco_dag.engines.config import ServerConfig
from marco_dag.engines.http_calls import HttpCalls
from marco_dag.engines.loading import checkpoint_digest, load_tokenizer
from marco_dag.engines.protocol import Engine
from marco_dag.engines.rendering import PromptEncoder
from marco_dag.engines.replicas import ReplicatedEngine
from marco_dag.engines.server_engine import ServerEngine
from marco_dag.errors import EngineError


def connect(checkpoint: str | Path, config: ServerConfig) -> Engine:
    """An engine over the servers at `config.urls`, which serve `checkpoint`; nothing is called yet.

    EngineError where the tokenizer cannot be loaded, an address is none, or the key is not in the environment.
    """
    key = _read_key(config.api_key_variable)
    prompts = PromptEncoder(load_tokenizer(config.tokenizer or checkpoint))
    engines = []
    for url in config.urls:
        limit = AdaptiveLimit(config.calls.max_in_flight)
        calls = HttpCalls(url, config.calls, key=key, on_too_busy=limit.shrink)
        engine = ServerEngine(calls, limit, prompts, model=config.model, model_digest=checkpoint_digest(checkpoint))
        engines.append(engine)
    return engines[0] if len(engines) == 1 else ReplicatedEngine(engines)


def _read_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise EngineError(f"engine.api_key_variable: the environment has no {variable}; export the server's key there")
    return key
