"""JSON calls to one server: a pool of connections, a timeout a call, and patience with what passes.

A call that fails by no fault of its own (no connection, a hang, a closed socket, 429, 5xx, an answer that makes no
sense) is made again, with growing pauses, until it works or the patience is over. It knows no models and no prompts.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp

from marco_dag.engines.config import CallsConfig
from marco_dag.errors import EngineError, EngineUnavailableError

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0
_CONNECT_TIMEOUT_S = 10.0
_TOO_BUSY = 429
_PASSES = frozenset({408, 425, _TOO_BUSY})
"""4xx that say nothing against the call itself."""
_CLOSED = {401: "the key is missing or wrong", 403: "the key is not good for this", 404: "it has no such model or path"}
"""4xx that every other call would get, too."""
_MOST_QUOTED = 500


class GarbageError(Exception):
    """An answer that makes no sense; raised by whoever reads one."""


@dataclass(slots=True)
class _Passing(Exception):  # noqa: N818  it never leaves this module
    """What may be better the next time, and how many seconds the server asks to wait for that."""

    why: str
    pause: float = 0.0
    too_busy: bool = False


class HttpCalls:
    """The calls to one server; used by one event loop at a time."""

    def __init__(
        self,
        url: str,
        config: CallsConfig,
        *,
        key: str | None = None,
        on_too_busy: Callable[[], None] = lambda: None,
        why_gone: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`key` is sent as a bearer token and shown nowhere; `on_too_busy` hears of every 429.

        `why_gone` says why the server will never answer again, which ends all patience; None while it may.
        """
        self.url = url.rstrip("/")
        self._config = config
        self._key = key
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._on_too_busy = on_too_busy
        self._why_gone = why_gone
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jitter = random.Random()

    async def get(self, path: str, read: Callable[[Any], T]) -> T:
        """What `read` makes of the answer, asked once; EngineUnavailableError says why there is none."""
        try:
            return await self._call("GET", path, None, read, _CONNECT_TIMEOUT_S)
        except _Passing as failure:
            raise EngineUnavailableError(self._why_gone() or f"{self.url}: {failure.why}") from failure

    async def post(self, path: str, payload: Mapping[str, object], read: Callable[[Any], T]) -> T:
        """What `read` makes of the answer; GarbageError from it counts as a fault of the server.

        EngineError where the server refuses the call, EngineUnavailableError where it would refuse any or stays away
        for longer than `patience_s`.
        """
        pause, began, failures = _FIRST_PAUSE_S, time.monotonic(), 0
        while True:
            try:
                return await self._call("POST", path, payload, read, self._config.timeout_s)
            except _Passing as failure:
                failures += 1
                if failure.too_busy:
                    self._on_too_busy()
                waited = time.monotonic() - began
                if (gone := self._why_gone()) is not None:
                    raise EngineUnavailableError(gone) from failure
                if waited >= self._config.patience_s:
                    raise EngineUnavailableError(
                        f"{self.url}: {failure.why}; tried {failures} times in {waited:.0f} s "
                        "(engine.calls.patience_s). Start it again and run this again."
                    ) from failure
                rest = self._config.patience_s - waited
                await asyncio.sleep(min(rest, max(failure.pause, pause * self._jitter.uniform(0.5, 1.0))))
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None and self._loop is asyncio.get_running_loop():
            await session.close()

    async def _call(
        self, method: str, path: str, payload: Mapping[str, object] | None, read: Callable[[Any], T], timeout_s: float
    ) -> T:
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_TIMEOUT_S)
        try:
            async with self._connections().request(
                method, f"{self.url}{path}", json=payload, headers=self._headers, timeout=timeout, allow_redirects=False
            ) as response:
                body = await response.read()
        except TimeoutError as error:
            raise _Passing(f"no answer within {timeout_s:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise _Passing(f"no server answers there ({error.strerror or error})") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _Passing(f"the connection broke off ({type(error).__name__}: {error})") from error
        if response.status != 200:
            raise self._refusal(response.status, body, response.headers.get("Retry-After", ""))
        try:
            return read(json.loads(body))
        except (ValueError, GarbageError) as error:
            raise _Passing(f"an answer that makes no sense ({error}): {_quote(self._without_key(body))}") from error

    def _without_key(self, body: bytes) -> bytes:
        """What a server says; some repeat the key that they refuse."""
        return body.replace(self._key.encode(), b"[key]") if self._key else body

    def _refusal(self, status: int, body: bytes, retry_after: str) -> Exception:
        body = self._without_key(body)
        if status >= 500 or status in _PASSES:
            pause = float(retry_after) if retry_after.isdigit() else 0.0
            return _Passing(f"status {status}: {_explanation(body)}", pause, too_busy=status == _TOO_BUSY)
        if status in _CLOSED:
            return EngineUnavailableError(f"{self.url}: status {status}, {_CLOSED[status]}: {_explanation(body)}")
        return EngineError(f"{self.url}: status {status}: {_explanation(body)}")

    def _connections(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self._session


def _explanation(body: bytes) -> str:
    """The message in an error's body as OpenAI words it, else the body's beginning."""
    try:
        found = json.loads(body)
    except ValueError:
        return _quote(body)
    error = found.get("error", found) if isinstance(found, dict) else found
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)[:_MOST_QUOTED]


def _quote(body: bytes) -> str:
    return repr(body[:_MOST_QUOTED].decode(errors="replace"))
