"""From a request to the tokens a model continues: the model's own chat template, then the assistant text so far."""

from collections.abc import Callable
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from marco_dag.engines.protocol import Message, Request
from marco_dag.errors import EngineError

_REMEMBERED = 4096
"""Conversations whose rendering is kept: all thoughts of a tree continue the same one."""


class PromptEncoder:
    """Renders and encodes the requests to one model."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """EngineError where the tokenizer has no chat template."""
        if not tokenizer.chat_template:
            raise EngineError("the tokenizer has no chat template: add one to its folder, or choose an instruct model")
        self._tokenizer = tokenizer
        self._head: Callable[[tuple[Message, ...]], str] = lru_cache(_REMEMBERED)(self._render_head)

    def encode(self, request: Request, context: int | None) -> tuple[list[int], int]:
        """The tokens that the model continues, and how many a sample may have: `max_tokens`, or what `context` leaves.

        Special tokens come from the template alone, so there is no double BOS. EngineError where the template refuses
        the conversation or the prompt fills the context; None knows no context.
        """
        prompt = self.encode_text(self._head(request.messages) + request.prefix)
        return prompt, self.room(len(prompt), request.max_tokens, context)

    def encode_text(self, text: str, *, special: bool = False) -> list[int]:
        """The tokens of a text; with `special` those that the tokenizer puts around one, such as BOS, too."""
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=special)
        return tokens

    @staticmethod
    def room(prompt: int, wanted: int, context: int | None) -> int:
        """How many tokens may follow `prompt` tokens: `wanted`, or what `context` leaves; EngineError as `encode`."""
        if context is None:
            return wanted
        if prompt >= context:
            raise EngineError(f"a prompt of {prompt} tokens does not fit the model's context of {context}")
        return min(wanted, context - prompt)

    def without_special_tokens(self, text: str) -> str:
        """`text` less the spellings of the tokenizer's special tokens."""
        for token in self._tokenizer.added_tokens_decoder.values():
            if token.special:
                text = text.replace(token.content, "")
        return text

    def check(self, request: Request, context: int | None) -> None:
        """EngineError as `encode`, and where the context has no room for `max_tokens` behind the prompt."""
        prompt, limit = self.encode(request, context)
        if limit < request.max_tokens:
            raise EngineError(
                f"a prompt of {len(prompt)} tokens and a completion of {request.max_tokens} do not fit the model's "
                f"context of {context}: ask for shorter completions, or take a model with a longer context"
            )

    def count(self, text: str) -> int:
        """Tokens that `text` has by itself."""
        return len(self.encode_text(text))

    def _render_head(self, messages: tuple[Message, ...]) -> str:
        conversation = [{"role": message.role, "content": message.content} for message in messages]
        try:
            head = self._tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        except Exception as error:
            roles = ", ".join(message.role for message in messages)
            raise EngineError(
                f"the chat template of the model refuses a conversation of roles ({roles}): {error}"
            ) from error
        return str(head)
