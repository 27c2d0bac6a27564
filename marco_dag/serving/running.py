"""A checkpoint served until it is told to stop: by a model in this process, or by a vLLM server.

Where it listens is decided here: on this machine alone, unless somebody asks for more and has a key.
"""

import asyncio
import ipaddress
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from marco_dag.engines import TransformersConfig, VllmConfig, load_engine
from marco_dag.errors import ServingError
from marco_dag.store import held

_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_SECONDS_BETWEEN_LOOKS = 0.25
_GRACE_S = 5.0
"""Given to calls under way when it is told to stop."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint is served, as what, and to whom."""

    name: str
    """The name under which it is served."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8000
    """The port; 0 takes any that is free."""
    key: str | None = None
    """What callers have to send as a bearer token; None lets every caller in."""

    def check(self) -> None:
        """ServingError where it would be open to other machines without a key."""
        if self.key is None and not _is_loopback(self.host):
            raise ServingError(
                f"--host {self.host} can be reached from other machines: export a key and name its variable with "
                "--api-key-variable, or listen on 127.0.0.1"
            )


def serve_in_process(checkpoint: str, config: TransformersConfig, place: Place, say: Callable[[str], None]) -> None:
    """Serve a checkpoint by a model in this process until SIGINT or SIGTERM; what is said goes to `say`.

    EngineError where it cannot be loaded, ServingError where it cannot listen there.
    """
    place.check()
    with held(Path(checkpoint)):
        engine = load_engine(checkpoint, config)

        async def run() -> None:
            from aiohttp import web

            from marco_dag.serving.app import build_app

            app = build_app(engine, place.name, key=place.key)
            runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=_GRACE_S)
            await runner.setup()
            try:
                await web.TCPSite(runner, place.host, place.port).start()
            except OSError as error:
                await runner.cleanup()
                raise ServingError(f"cannot listen on {place.host}:{place.port}: {error.strerror}") from error
            over = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, over.set)
            say(f"serving {place.name} on http://{place.host}:{runner.addresses[0][1]}/v1")
            await over.wait()
            await runner.cleanup()

        asyncio.run(run())


def serve_by_vllm(checkpoint: str, config: VllmConfig, place: Place, *, logs: Path, say: Callable[[str], None]) -> None:
    """Serve a checkpoint by one vLLM server until SIGINT or SIGTERM; it is started again when it dies.

    Of `config.replicas` the first is started. EngineError where vLLM is not installed or the server does not start,
    ServingError once it has died for good.
    """
    from marco_dag.engines.guarded_server import GuardedServer, environment_of, free_port
    from marco_dag.engines.vllm_servers import check_installed, runs_on_cpu, serve_command, serve_environment

    place.check()
    check_installed(config.python)
    port, on_cpu = place.port or free_port(), runs_on_cpu(config)
    command = serve_command(checkpoint, config, 0, port=port, on_cpu=on_cpu, host=place.host, model_name=place.name)
    environment = serve_environment(checkpoint, config, 0, key=place.key, on_cpu=on_cpu)
    with (
        _stopped_by_sigterm(),
        held(Path(checkpoint)),
        GuardedServer(
            place.name,
            command,
            environment_of(config.python, environment),
            port=port,
            restarts=config.restarts,
            log=logs / f"{time.strftime('%Y%m%d-%H%M%S')}-serve-{port}.log",
            say=say,
            host="127.0.0.1" if place.host in _EVERYWHERE else place.host,
        ) as server,
    ):
        server.wait_until_healthy(config.start_timeout_s)
        say(f"serving {place.name} on http://{place.host}:{port}/v1")
        while (gone := server.why_gone()) is None:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        raise ServingError(gone)


def read_key(variable: str | None) -> str | None:
    """The key that an environment variable holds; ServingError where it is empty, None where none is named."""
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise ServingError(f"--api-key-variable: the environment has no {variable}; export the key there")
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that the server is ended too."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
