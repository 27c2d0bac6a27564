"""A tiny checkpoint, and a real server of it on this machine in a process of its own or in a thread."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from transformers import PreTrainedTokenizerFast

from marco_dag.engines import TransformersConfig, load_engine
from marco_dag.engines.transformers_engine import TransformersEngine
from marco_dag.serving.app import build_app
from tests.engines.conftest import character_tokenizer, random_model

CONFIG = TransformersConfig(device="cpu", max_live_sequences=8)
Post = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return character_tokenizer()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, tokenizer) -> Path:
    """Random weights behind a character tokenizer, in Hugging Face format."""
    folder = tmp_path_factory.mktemp("checkpoint")
    random_model("llama", tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def load(checkpoint) -> Callable[[], TransformersEngine]:
    """Loads the checkpoint anew: an engine belongs to one event loop."""
    return lambda: load_engine(checkpoint, CONFIG)


@contextmanager
def serving(app: web.Application) -> Iterator[str]:
    """Serves an application in a thread, on a free port of this machine; gives its address."""
    ready, over = threading.Event(), asyncio.Event()
    address: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        await over.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait()
    try:
        yield address[0]
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join()


@pytest.fixture(scope="session")
def url(load) -> Iterator[str]:
    """A server of the checkpoint, under the name `tiny`."""
    with serving(build_app(load(), "tiny")) as address:
        yield address


async def _call(method: str, url: str, **how: Any) -> tuple[int, Any]:
    async with ClientSession() as session, session.request(method, url, **how) as response:
        body = await response.read()
        return response.status, (await response.json()) if body else None


@pytest.fixture(scope="session")
def get() -> Post:
    """GET: (status, JSON)."""
    return lambda url, **how: asyncio.run(_call("GET", url, **how))


@pytest.fixture(scope="session")
def post() -> Post:
    """POST JSON: (status, JSON)."""

    def call(url: str, payload: Mapping[str, Any], **how: Any) -> tuple[int, Any]:
        return asyncio.run(_call("POST", url, json=payload, **how))

    return call
