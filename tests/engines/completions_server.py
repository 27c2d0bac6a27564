"""A real HTTP server that speaks the OpenAI completions API as vLLM does, over any engine; it can be told to misbehave.

It stands in for a machine room: it listens on this machine, in a thread of its own, for the length of a `with` block.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from aiohttp import web
from transformers import PreTrainedTokenizerFast

from marco_dag.engines import Completion, Engine, Message, Request

Fault: TypeAlias = Literal["hang", "500", "503", "429", "400", "401", "404", "garbage", "no choices", "half", "closed"]
"""How a call is answered: not at all, by a status, by nonsense, by half an answer, by a closed connection."""

TRANSIENT: tuple[Fault, ...] = ("hang", "500", "503", "429", "garbage", "no choices", "half", "closed")
"""The faults that say nothing against the call itself."""

HANG_S = 30.0


def never(call: int) -> Fault | None:
    """No fault."""
    return None


class CompletionsServer:
    """Serves `engine`; `fault` names, for the nth call from 0 on, how it is answered instead."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: PreTrainedTokenizerFast,
        *,
        fault: Callable[[int], Fault | None] = never,
        models: Mapping[str, int | None] | None = None,
        key: str | None = None,
        extra: Mapping[str, object] | None = None,
        port: int = 0,
    ) -> None:
        """`models` are the names that it serves with their contexts; `extra` changes every choice (None: left out)."""
        self.payloads: list[dict[str, Any]] = []
        """What was posted, in the order of arrival."""
        self.live = self.most_live = 0
        """Completions that are being written, and the most there were."""
        self._engine = engine
        self._tokenizer = tokenizer
        self._fault = fault
        self._models = {"model": 4096} if models is None else models
        self._key = key
        self._extra = extra or {}
        self._port = port
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> "CompletionsServer":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        app = web.Application()
        app.add_routes([web.get("/v1/models", self._list_models), web.post("/v1/completions", self._complete)])
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self._port)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        await runner.cleanup()

    async def _list_models(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": k, "max_model_len": v} for k, v in self._models.items()]})

    async def _complete(self, call: web.Request) -> web.StreamResponse:
        payload = await call.json()
        fault = self._fault(len(self.payloads))
        self.payloads.append(payload)
        if self._key is not None and call.headers.get("Authorization") != f"Bearer {self._key}":
            fault = "401"
        if fault == "hang":
            await asyncio.sleep(HANG_S)
        if fault == "closed":
            assert call.transport is not None
            call.transport.close()
        if fault == "garbage":
            return web.Response(text="<html>Bad gateway</html>")
        if fault == "no choices":
            return web.json_response({"choices": []})
        if fault is not None and fault.isdigit():
            message = f"so it is with {fault}"
            if fault == "401":  # as servers do
                message += f": incorrect key provided: {call.headers.get('Authorization')}"
            body = {"error": {"message": message, "code": int(fault)}}
            return web.json_response(body, status=int(fault), headers={"Retry-After": "0"})
        body = await self._answer(payload)
        if fault == "half":
            response = web.StreamResponse(headers={"Content-Length": str(len(body))})
            await response.prepare(call)
            await response.write(body[: len(body) // 2])
            assert call.transport is not None
            call.transport.close()
            return response
        return web.Response(body=body, content_type="application/json")

    async def _answer(self, payload: Mapping[str, Any]) -> bytes:
        request = Request(
            messages=(Message("user", self._tokenizer.decode(payload["prompt"])),),
            n=payload["n"],
            stop=tuple(payload["stop"]),
            max_tokens=payload["max_tokens"],
            temperature=payload["temperature"],
            top_p=payload["top_p"],
            seed=payload["seed"],
        )
        self.live += request.n
        self.most_live = max(self.most_live, self.live)
        completions = await self._engine.complete(request)
        self.live -= request.n
        choices = [self._choice(index, completion) for index, completion in enumerate(completions)]
        return json.dumps({"choices": choices[::-1]}).encode()

    def _choice(self, index: int, completion: Completion) -> dict[str, object]:
        choice: dict[str, object] = {
            "index": index,
            "text": completion.text,
            "finish_reason": completion.finish_reason,
            "stop_reason": completion.stop,
            "token_ids": list(range(completion.tokens)),
        }
        return {name: value for name, value in (choice | dict(self._extra)).items() if value is not ...}
