"""One OpenAI-compatible completions server, as vLLM and SGLang speak that protocol, as an engine.

Prompts are rendered here, with the model's own chat template, and go out as token ids: what a model reads does not
depend on where it runs. The siblings of a request are one call with n samples, which the server puts beside each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from marco_dag.engines.adaptive_limit import AdaptiveLimit
from marco_dag.engines.http_calls import GarbageError, HttpCalls
from marco_dag.engines.protocol import Completion, FinishReason, Request
from marco_dag.engines.rendering import PromptEncoder
from marco_dag.errors import EngineError, EngineUnavailableError

_RIVALS = 5
"""The likeliest tokens that a token's probability is compared with (`Completion.confidence`)."""
_NEUTRAL = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Sampling as a request asks for it, whatever defaults the model's folder gave the server."""


@dataclass(frozen=True, slots=True)
class _Card:
    """What a server says of the model that it serves."""

    name: str
    context: int | None


class ServerEngine:
    """An Engine over one server."""

    def __init__(
        self,
        calls: HttpCalls,
        limit: AdaptiveLimit,
        prompts: PromptEncoder,
        *,
        model: str | None,
        model_digest: str,
    ) -> None:
        """`model` is the name under which the server has it; None takes the only one that it has."""
        self._calls = calls
        self._limit = limit
        self._prompts = prompts
        self._model = model
        self._model_digest = model_digest
        self._card: _Card | None = None

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self._calls.url

    @property
    def model_digest(self) -> str:
        """Of the checkpoint that the server is said to serve."""
        return self._model_digest

    @property
    def capacity(self) -> int:
        """Twice what the server is given at once, so that a higher limit can be tried at any time."""
        return 2 * self._limit.limit

    @property
    def bears(self) -> int:
        """Completions at once with which the server has been fastest so far."""
        return self._limit.best

    async def check(self, request: Request) -> None:
        """EngineError where no server answers, it lacks the model, or the prompt does not suit template or context."""
        self._card = await self._calls.get("/v1/models", self._find_card)
        self._prompts.check(request, self._card.context)

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._calls.close()

    async def complete(self, request: Request) -> Sequence[Completion]:
        """The `request.n` completions; greedy ones are all the same and are sampled once.

        EngineError where the server refuses this request, EngineUnavailableError where it refuses all or stays away.
        """
        card = await self._read_card()
        prompt, limit = self._prompts.encode(request, card.context)
        asked = 1 if request.temperature == 0 else request.n
        payload = {
            **_NEUTRAL,
            "model": card.name,
            "prompt": prompt,
            "n": asked,
            "max_tokens": limit,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": request.seed,
            "stop": list(request.stop),
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
            "return_token_ids": True,
            "logprobs": _RIVALS if request.confidence else None,
        }
        await self._limit.enter(asked)
        tokens = 0
        try:
            completions = await self._calls.post(
                "/v1/completions", payload, lambda body: self._read(body, request, asked)
            )
            tokens = sum(completion.tokens for completion in completions)
        finally:
            self._limit.leave(asked, tokens)
        return completions * request.n if asked < request.n else completions

    async def _read_card(self) -> _Card:
        if self._card is None:
            self._card = await self._calls.get("/v1/models", self._find_card)
        return self._card

    def _find_card(self, body: dict[str, Any]) -> _Card:
        """The entry of our model in what /v1/models says."""
        try:
            cards = {str(card["id"]): card.get("max_model_len") for card in body["data"]}
        except (TypeError, KeyError, AttributeError) as error:
            raise GarbageError("no list of models") from error
        name = next(iter(cards)) if self._model is None and len(cards) == 1 else self._model
        if name is None or name not in cards:
            wish = "which model?" if name is None else f"has no model {name!r}:"
            has = ", ".join(cards) or "none"
            raise EngineUnavailableError(f"{self.url}: {wish} it has {has}; name one of them in engine.model")
        return _Card(name, cards[name])

    def _read(self, body: dict[str, Any], request: Request, asked: int) -> list[Completion]:
        """The completions in an answer of /v1/completions."""
        try:
            choices = sorted(body["choices"], key=lambda choice: choice["index"])
            if [choice["index"] for choice in choices] != list(range(asked)):
                raise GarbageError(f"{len(choices)} choices for n = {asked}")
            return [self._read_choice(choice, request) for choice in choices]
        except (TypeError, KeyError, AttributeError) as error:
            raise GarbageError(f"no completion: {type(error).__name__}: {error}") from error

    def _read_choice(self, choice: dict[str, Any], request: Request) -> Completion:
        text, reason = choice["text"], choice["finish_reason"]
        if not isinstance(text, str) or reason not in ("stop", "length"):
            raise GarbageError(f"finish reason {reason!r}")
        stop = self._stop_string(choice, request) if reason == "stop" else None
        tokens = choice.get("token_ids")
        count = (
            len(tokens) if tokens else self._prompts.count(text + (stop or "")) + (reason == "stop" and stop is None)
        )
        finish: FinishReason = reason
        return Completion(text, max(1, count), finish, stop, _confidence(choice) if request.confidence else None)

    def _stop_string(self, choice: dict[str, Any], request: Request) -> str | None:
        """The stop string that ended a choice, None at the end of the sequence."""
        if not request.stop:
            return None
        if "stop_reason" not in choice and "matched_stop" not in choice:
            raise EngineError(
                f"{self.url}: does not say which stop string ended a completion (`stop_reason`), "
                "and a search has to know; vLLM and SGLang do"
            )
        matched = choice.get("stop_reason", choice.get("matched_stop"))
        return matched if isinstance(matched, str) and matched in request.stop else None


def _confidence(choice: dict[str, Any]) -> float:
    """See `Completion.confidence`: each token's probability beside those of the likeliest five."""
    shares = []
    for own, rivals in zip(choice["logprobs"]["token_logprobs"], choice["logprobs"]["top_logprobs"], strict=True):
        top = sorted(rivals.values(), reverse=True)[:_RIVALS]
        others = [*top] if own in top else [*top, own]
        shares.append(math.exp(own) / sum(map(math.exp, others)))
    return sum(shares) / len(shares)
