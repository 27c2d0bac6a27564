"""vLLM servers that are started for a block of work and stopped after it.

vLLM lives in an environment of its own where its pins and the trainers' exclude each other, and runs in processes of
its own always; here is only how it is called.
"""

import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from marco_dag.engines.adaptive_limit import AdaptiveLimit
from marco_dag.engines.config import VllmConfig
from marco_dag.engines.guarded_server import HOST, GuardedServer, environment_of, free_port
from marco_dag.engines.http_calls import HttpCalls
from marco_dag.engines.loading import checkpoint_digest, load_tokenizer
from marco_dag.engines.protocol import Engine
from marco_dag.engines.rendering import PromptEncoder
from marco_dag.engines.replicas import ReplicatedEngine
from marco_dag.engines.server_engine import ServerEngine
from marco_dag.errors import EngineError
from marco_dag.storage import escape_segment

MODEL_NAME = "model"
"""Under which a server has its model."""
_CPU_ARGUMENTS = ("--no-enable-chunked-prefill", "--max-num-batched-tokens", "16384")
"""With chunked prefill, vLLM's CPU build dies of a request's seed under load."""

_HOW_TO_INSTALL = (
    "install vLLM into an environment of its own and name its Python in engine.python "
    "(here: `make install-vllm`, then `python: .venv-vllm/bin/python`)"
)


@contextmanager
def serve(
    checkpoint: str | Path, config: VllmConfig, *, name: str, logs: Path, say: Callable[[str], None]
) -> Iterator[Engine]:
    """An engine over `config.replicas` servers of `checkpoint`; healthy when the block begins, gone when it has ended.

    EngineError where vLLM is not installed, a server does not start, or the checkpoint has no chat template.
    """
    prompts = PromptEncoder(load_tokenizer(checkpoint))
    check_installed(config.python)
    digest = checkpoint_digest(checkpoint)
    on_cpu = runs_on_cpu(config)
    key = secrets.token_urlsafe()
    with ExitStack() as stack:
        servers = []
        for replica in range(config.replicas):
            title = name if config.replicas == 1 else f"{name}-{replica}"
            port = free_port()
            server = GuardedServer(
                title,
                serve_command(checkpoint, config, replica, port=port, on_cpu=on_cpu),
                environment_of(config.python, serve_environment(checkpoint, config, replica, key=key, on_cpu=on_cpu)),
                port=port,
                restarts=config.restarts,
                log=log_file(logs, title, port),
                say=say,
            )
            servers.append(stack.enter_context(server))
            if config.gpus is None and not on_cpu:  # each measures what the ones before it left free on their GPU
                server.wait_until_healthy(config.start_timeout_s)
        for server in servers:  # all at once, before any is waited for
            stack.callback(server.end)
        engines = []
        for server in servers:
            server.wait_until_healthy(config.start_timeout_s)
            limit = AdaptiveLimit(config.calls.max_in_flight)
            calls = HttpCalls(server.url, config.calls, key=key, on_too_busy=limit.shrink, why_gone=server.why_gone)
            engines.append(ServerEngine(calls, limit, prompts, model=MODEL_NAME, model_digest=digest))
        yield engines[0] if len(engines) == 1 else ReplicatedEngine(engines)


def log_file(logs: Path, title: str, port: int) -> Path:
    """Where the log of the server `title` goes, whatever the checkpoint that it is called after is called."""
    return logs / f"{time.strftime('%Y%m%d-%H%M%S')}-{escape_segment(title)}-{port}.log"


def serve_command(
    checkpoint: str | Path,
    config: VllmConfig,
    replica: int,
    *,
    port: int,
    on_cpu: bool,
    host: str = HOST,
    model_name: str = MODEL_NAME,
) -> Sequence[str]:
    """`vllm serve` for one replica, word by word; the profile's own arguments come last and so win."""
    words = [config.python or sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    words += ["--model", str(checkpoint), "--served-model-name", model_name, "--host", host, "--port", str(port)]
    words += ["--generation-config", "vllm", "--disable-uvicorn-access-log"]
    if on_cpu:
        words += _CPU_ARGUMENTS
    elif config.memory_share is not None:
        words += ["--gpu-memory-utilization", str(config.memory_share)]
    if config.max_model_len is not None:
        words += ["--max-model-len", str(config.max_model_len)]
    gpus = len(config.gpus[replica].split(",")) if config.gpus else 1
    if gpus > 1:
        words += ["--tensor-parallel-size", str(gpus)]
    return [*words, *config.arguments]


def serve_environment(
    checkpoint: str | Path, config: VllmConfig, replica: int, *, key: str | None, on_cpu: bool
) -> dict[str, str]:
    """The variables that one replica gets beside ours; callers have to send `key`, where there is one."""
    values = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
    if key is not None:
        values["VLLM_API_KEY"] = key
    if Path(checkpoint).is_dir():
        values["HF_HUB_OFFLINE"] = "1"
    if on_cpu and config.kv_cache_gb is not None:
        values["VLLM_CPU_KVCACHE_SPACE"] = str(config.kv_cache_gb)
    if config.gpus is not None:
        values["CUDA_VISIBLE_DEVICES"] = config.gpus[replica]
    return values | config.environment


def runs_on_cpu(config: VllmConfig) -> bool:
    """Whether vLLM's CPU build is meant."""
    if config.device == "auto":
        return shutil.which("nvidia-smi") is None
    return config.device == "cpu"


def check_installed(python: str | None) -> None:
    """EngineError, with what to do, where the environment of `python` (None: this one) has no vLLM."""
    program = python or sys.executable
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    try:
        missing = subprocess.run([program, "-I", "-c", look], check=False).returncode
    except OSError as error:
        raise EngineError(f"engine.python: {program} cannot be run ({error.strerror}); {_HOW_TO_INSTALL}") from error
    if missing:
        raise EngineError(f"{program} has no vLLM; {_HOW_TO_INSTALL}")
