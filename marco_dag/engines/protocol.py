"""What an engine is: text in, sampled text out. Knows nothing of thoughts, trees or tasks.

A prompt is a conversation plus the assistant text so far; the engine renders it with its own model's chat template and
continues the last message, so two model families can share one history.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

Role: TypeAlias = Literal["generator", "critic"]
"""Who writes a thought: the generator, or the critic (Reflection, Reclarify, Double-Check; paper §3.1)."""

FinishReason: TypeAlias = Literal["stop", "length"]
"""Why a completion ended: a stop string or the end-of-sequence token, or the token limit."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to be continued `n` times."""

    messages: tuple[Message, ...]
    """The conversation; its last message is the user's."""
    prefix: str = ""
    """The assistant text so far, continued by the completions."""
    stop: tuple[str, ...] = ()
    """Generation ends where one of these strings appears."""
    n: int = 1
    """Completions wanted, ≥ 1."""
    max_tokens: int = 256
    """Sampled tokens a completion may have at most, ≥ 1."""
    temperature: float = 1.0
    """Sampling temperature; 0 is greedy."""
    top_p: float = 1.0
    """Nucleus mass, in (0, 1]."""
    seed: int = 0
    """Decides the samples, with `n` and the prompt; in [0, 2**31)."""
    confidence: bool = False
    """Whether the completions shall say how sure the model was of its tokens."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled continuation."""

    text: str
    """What was sampled, without the stop string and without special tokens."""
    tokens: int
    """Sampled tokens, the stopping ones included."""
    finish_reason: FinishReason
    """Why it ended."""
    stop: str | None = None
    """The stop string that ended it; None at end-of-sequence or at the limit."""
    confidence: float | None = None
    """Mean over the sampled tokens of p(token) / Σ p(the five likeliest and the token), in (0, 1]; None if unasked.

    p is the model's own distribution, before temperature and nucleus (Marco-o1 v1, arXiv 2411.14405 §4).
    """


@runtime_checkable
class Engine(Protocol):
    """Anything that completes requests; concurrent calls are batched by the engine, not by its callers."""

    @property
    def model_digest(self) -> str:
        """What identifies the model's weights, for lineage."""
        ...

    @property
    def capacity(self) -> int:
        """Completions worth having in flight at once, ≥ 1: more would only wait. It may change as the engine learns."""
        ...

    async def check(self, request: Request) -> None:
        """Pass where requests like this one can be served; costs little, samples nothing.

        EngineError says what is wrong: no server, a model it does not have, a chat template that refuses the
        conversation, a context that is too small.
        """
        ...

    async def complete(self, request: Request) -> Sequence[Completion]:
        """`request.n` completions in sample order.

        EngineError where this request cannot be served; EngineUnavailableError where none can any more.
        """
        ...

    async def close(self) -> None:
        """Let go of what belongs to the running event loop, connections say; a later call opens it again."""
        ...


RoleEngines: TypeAlias = Mapping[Role, Engine]
"""The engine behind each role; both roles may share one."""


async def complete_all(engine: Engine, requests: Sequence[Request]) -> list[Sequence[Completion]]:
    """The completions of many requests, in their order, all in flight at once."""
    return list(await asyncio.gather(*(engine.complete(request) for request in requests)))
