"""One checkpoint behind the OpenAI completions and chat API, by a model in this process, as an aiohttp application.

Knows the engine and the API, not where it listens. What is said to it is logged nowhere. A client that goes away takes
its samples with it.
"""

import hmac
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from marco_dag.engines.transformers_engine import TransformersEngine
from marco_dag.engines.waiting import Sample
from marco_dag.errors import EngineError, EngineUnavailableError, ServingError
from marco_dag.identity import JsonValue
from marco_dag.serving.payloads import ChatPayload, CompletionPayload, P, Payload, read_payload

_LARGEST_BODY = 16 << 20
"""Bytes."""
_MOST_COMPLETIONS = 4096
"""Of one call: prompts times n."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """The samples of one prompt."""

    prompt: Sequence[int]
    samples: Sequence[Sample]


def build_app(engine: TransformersEngine, model: str, *, key: str | None = None) -> web.Application:
    """The application that serves `engine` as `model`; with a `key`, to those who send it as a bearer token.

    /health; /v1/models, with the context as `max_model_len`; /v1/completions, also from tokens, as `kind: server` and
    vLLM's clients post them; /v1/chat/completions, by the model's own chat template. Errors have OpenAI's form.
    """
    app = web.Application(client_max_size=_LARGEST_BODY, middlewares=[_tell_errors, _let_in(key)])
    served = _Served(engine, model)
    app.add_routes(
        [
            web.get("/health", served.health),
            web.get("/v1/models", served.list_models),
            web.post("/v1/completions", served.complete),
            web.post("/v1/chat/completions", served.chat),
        ]
    )
    app.on_cleanup.append(served.close)
    return app


class _Served:
    """The handlers."""

    def __init__(self, engine: TransformersEngine, model: str) -> None:
        self._engine = engine
        self._model = model
        self._since = int(time.time())

    async def health(self, _: web.Request) -> web.Response:
        """200 while it can answer."""
        return web.Response()

    async def list_models(self, _: web.Request) -> web.Response:
        """The one model."""
        card = {
            "id": self._model,
            "object": "model",
            "created": self._since,
            "owned_by": "marco-dag",
            "root": self._engine.model_digest,
            "max_model_len": self._engine.context,
        }
        return web.json_response({"object": "list", "data": [card]})

    async def complete(self, call: web.Request) -> web.Response:
        """Continue each prompt n times; prompts one after another, so that the same call gives the same batches."""
        payload = await self._read(call, CompletionPayload)
        prompts = [
            self._engine.prompts.encode_text(prompt, special=payload.add_special_tokens)
            if isinstance(prompt, str)
            else prompt
            for prompt in payload.prompts()
        ]
        if len(prompts) * payload.n > _MOST_COMPLETIONS:
            raise ServingError(f"prompt: {len(prompts)} prompts with n = {payload.n} are too many for one call")
        request = payload.request((), payload.max_tokens)
        answered = [_Answered(prompt, await self._engine.continue_tokens(prompt, request)) for prompt in prompts]
        choices: list[JsonValue] = []
        for answer in answered:
            for sample in answer.samples:
                choice = self._choice(len(choices), sample, payload)
                choices.append({**choice, "text": self._text(sample, payload), "logprobs": None})
        return self._response("cmpl", "text_completion", choices, answered)

    async def chat(self, call: web.Request) -> web.Response:
        """Answer a conversation n times."""
        payload = await self._read(call, ChatPayload)
        wanted = payload.max_completion_tokens or payload.max_tokens or self._engine.context
        request = payload.request(payload.conversation(), wanted)
        prompt, _ = self._engine.prompts.encode(request, self._engine.context)
        answered = _Answered(prompt, await self._engine.continue_tokens(prompt, request))
        choices: list[JsonValue] = []
        for sample in answered.samples:
            choice = self._choice(len(choices), sample, payload)
            message: JsonValue = {"role": "assistant", "content": self._text(sample, payload)}
            choices.append({**choice, "message": message, "logprobs": None})
        return self._response("chatcmpl", "chat.completion", choices, [answered])

    async def close(self, _: web.Application) -> None:
        """Stop the engine; who still waits is told so."""
        await self._engine.close()

    async def _read(self, call: web.Request, kind: type[P]) -> P:
        if call.content_type != "application/json":  # which a page of somebody else's in a browser cannot post
            raise web.HTTPUnsupportedMediaType(text="post JSON, with Content-Type: application/json")
        try:
            values = json.loads(await call.read())
        except ValueError as error:
            raise ServingError(f"body: not JSON: {error}") from error
        payload = read_payload(kind, values)
        if payload.model not in (None, self._model):
            raise web.HTTPNotFound(text=f"there is no model {payload.model!r} here; this is {self._model!r}")
        return payload

    def _text(self, sample: Sample, payload: Payload) -> str:
        text = sample.completion.text
        return self._engine.prompts.without_special_tokens(text) if payload.skip_special_tokens else text

    @staticmethod
    def _choice(index: int, sample: Sample, payload: Payload) -> dict[str, JsonValue]:
        completion = sample.completion
        return {
            "index": index,
            "finish_reason": completion.finish_reason,
            "stop_reason": completion.stop,
            **({"token_ids": list(sample.tokens)} if payload.return_token_ids else {}),
        }

    def _response(
        self, prefix: str, kind: str, choices: list[JsonValue], answered: Sequence[_Answered]
    ) -> web.Response:
        prompt = sum(len(answer.prompt) for answer in answered)
        sampled = sum(len(sample.tokens) for answer in answered for sample in answer.samples)
        usage = {"prompt_tokens": prompt, "completion_tokens": sampled, "total_tokens": prompt + sampled}
        return web.json_response(
            {
                "id": f"{prefix}-{uuid.uuid4().hex}",
                "object": kind,
                "created": int(time.time()),
                "model": self._model,
                "choices": choices,
                "usage": usage,
            }
        )


def _let_in(key: str | None) -> Middleware:
    """Ask for the key, /health aside."""
    wanted = f"Bearer {key}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if key is not None and request.path != "/health" and not hmac.compare_digest(given, wanted):
            raise web.HTTPUnauthorized(text="the key is missing or wrong; send it as Authorization: Bearer …")
        return await handler(request)

    return check


@web.middleware
async def _tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors in the form that OpenAI's clients read."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.text or error.reason)
    except EngineUnavailableError as error:
        return _error(503, str(error))
    except (EngineError, ServingError) as error:
        return _error(400, str(error))


def _error(status: int, message: str) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": status}}
    return web.json_response(body, status=status)
