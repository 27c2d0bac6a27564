"""What clients of the completions and chat API may post, and the requests it means. Speaks no HTTP.

The fields are OpenAI's and vLLM's. One that this engine cannot honour is refused where it asks for anything, so that
nobody gets other samples than they asked for.
"""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from marco_dag.engines import Message, Request
from marco_dag.errors import ServingError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "stream": (False,),
    "echo": (False,),
    "best_of": (1,),
    "suffix": ("",),
    "logprobs": (False, 0),
    "top_logprobs": (0,),
    "top_k": (-1, 0),
    "min_p": (0,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "min_tokens": (0,),
    "ignore_eos": (False,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "spaces_between_special_tokens": (True, False),
}
"""Fields that are known and cannot be honoured → the values that ask for nothing; null never does."""

_OF_NO_ACCOUNT = frozenset({"user", "metadata", "store", "stream_options", "parallel_tool_calls", "service_tier"})
"""Fields that change no sample."""

Prompt: TypeAlias = str | list[int]
"""One prompt: a text, or tokens."""


class Payload(BaseModel):
    """What completions and chats have in common."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    model: str | None = None
    """The name under which the checkpoint is served; null takes it as it is."""
    n: int = Field(1, ge=1)
    """Completions a prompt, ≥ 1."""
    temperature: float = Field(1.0, ge=0, allow_inf_nan=False)
    """Sampling temperature; 0 is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus mass, in (0, 1]."""
    stop: str | list[str] | None = None
    """Strings at which a completion ends; they are not part of it."""
    seed: int | None = Field(None, ge=0, lt=2**63)
    """Decides the samples, with the prompt and n; null draws one."""
    skip_special_tokens: bool = True
    """Whether special tokens are left out of the text."""
    return_token_ids: bool = False
    """Whether the sampled tokens are given beside the text."""

    @model_validator(mode="before")
    @classmethod
    def _nulls_ask_for_nothing(cls, values: object) -> object:
        return {k: v for k, v in values.items() if v is not None} if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _nothing_is_asked_for_in_vain(self) -> "Payload":
        for name, value in (self.model_extra or {}).items():
            if name in _OF_NO_ACCOUNT or value in _NEUTRAL.get(name, ()):
                continue
            if name in _NEUTRAL:
                raise ValueError(f"{name}: this server cannot do that; serve the checkpoint by vLLM, or leave it out")
            raise ValueError(f"{name}: no such field is known here")
        return self

    def request(self, messages: tuple[Message, ...], max_tokens: int) -> Request:
        """The request to an engine."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return Request(
            messages=messages,
            stop=tuple(string for string in stop if string),
            n=self.n,
            max_tokens=max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=secrets.randbits(31) if self.seed is None else self.seed,
        )


P = TypeVar("P", bound=Payload)
"""A kind of payload."""


class CompletionPayload(Payload):
    """What is posted to /v1/completions."""

    prompt: Prompt | list[str] | list[list[int]]
    """A text or tokens, or a list of either, each of which is continued `n` times."""
    max_tokens: int = Field(16, ge=1)
    """Sampled tokens a completion may have, ≥ 1; fewer where the context ends."""
    add_special_tokens: bool = True
    """Whether a text gets the special tokens that the tokenizer puts around one, such as BOS."""

    def prompts(self) -> list[Prompt]:
        """Each prompt."""
        match self.prompt:
            case [str() | list(), *_]:
                return list(self.prompt)  # type: ignore[arg-type]  # a list of prompts, as pydantic has seen to it
            case _:
                return [self.prompt]  # type: ignore[list-item]  # one prompt


class TextPart(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """A message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def message(self) -> Message:
        """As engines have it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Message("system" if self.role == "developer" else self.role, text)


class ChatPayload(Payload):
    """What is posted to /v1/chat/completions."""

    messages: list[ChatMessage] = Field(min_length=1)
    """The conversation; the model answers its last message."""
    max_tokens: int | None = Field(None, ge=1)
    """Sampled tokens an answer may have, ≥ 1; null: what the context leaves."""
    max_completion_tokens: int | None = Field(None, ge=1)
    """The newer name of the same."""

    def conversation(self) -> tuple[Message, ...]:
        """The messages."""
        return tuple(message.message() for message in self.messages)


def read_payload(kind: type[P], values: object) -> P:
    """The payload that JSON values spell; ServingError names each wrong field."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ServingError("; ".join(dict.fromkeys(_tell(problem) for problem in error.errors()))) from error


def _tell(problem: "ErrorDetails") -> str:
    if problem["type"] == "value_error":  # ours, which names its field
        return problem["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}"
