"""Texts as a student's token ids: the prompt by its chat template, the completion on its own and closed.

Also what a tokenizer must have for that. Decides nothing about which rows are used (`marco_dag.training.examples`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from marco_dag.curation import common_prefix_length
from marco_dag.errors import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PROBED = 64
"""Rows whose whole conversation is rendered to see what the template does to the prompt."""

_SHOWN = 16
"""Tokens of either rendering that an error shows, from where they differ."""


def check_tokenizer(tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """TrainingError unless the tokenizer can render a conversation, end it, and pad a batch."""
    lacking = [
        name
        for name, value in (
            ("a chat template (chat_template)", tokenizer.chat_template),
            ("an end-of-sequence token (eos_token)", tokenizer.eos_token_id),
            ("a padding token (pad_token)", tokenizer.pad_token_id),
        )
        if value is None
    ]
    if lacking:
        raise TrainingError(
            f"{folder}: the tokenizer has no {' and no '.join(lacking)}; set it and save the tokenizer into that folder"
        )


def encode_prompts(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """Each text as one user message, rendered up to where the assistant begins; token ids."""
    conversations = [[{"role": "user", "content": text}] for text in texts]
    return _encode(_render(conversations, tokenizer, add_generation_prompt=True), tokenizer)


def encode_completions(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """Each text on its own, closed by the end-of-sequence token; token ids."""
    return [[*ids, tokenizer.eos_token_id] for ids in _encode(texts, tokenizer)]


def check_template(
    ids: Sequence[str],
    prompts: Sequence[str],
    completions: Sequence[str],
    encoded: Sequence[Sequence[int]],
    tokenizer: "PreTrainedTokenizerBase",
) -> None:
    """TrainingError unless a prompt's tokens stay where they are once its completion follows, named by its row's id.

    `encoded`: the prompts by `encode_prompts`. A template that moves or changes them (a system message that only whole
    conversations get, an opening that only generation gets) would train the student on another prompt than the one it
    answers. The first rows are looked at, up to 64: ids are hashes, so that is a random sample.
    """
    conversations = [
        [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        for prompt, completion in zip(prompts[:_PROBED], completions[:_PROBED], strict=True)
    ]
    rendered = _encode(_render(conversations, tokenizer, add_generation_prompt=False), tokenizer)
    for row, prompt, whole in zip(ids, encoded, rendered, strict=False):
        same = common_prefix_length(prompt, whole)
        if same < len(prompt):
            alone, answered = (tokenizer.decode(tokens[same : same + _SHOWN]) for tokens in (prompt, whole))
            raise TrainingError(
                f"{tokenizer.name_or_path}: the chat template moves the prompt's tokens once an answer follows: the "
                f"prompt of {row} goes on after {same} tokens with {alone!r}, but with {answered!r} once answered; "
                "mend chat_template so that a whole conversation begins with what add_generation_prompt renders"
            )


def _render(
    conversations: Sequence[Sequence[dict[str, str]]],
    tokenizer: "PreTrainedTokenizerBase",
    *,
    add_generation_prompt: bool,
) -> list[str]:
    from jinja2 import TemplateError

    try:
        rendered: list[str] = tokenizer.apply_chat_template(
            conversations, tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except TemplateError as error:
        raise TrainingError(
            f"{tokenizer.name_or_path}: the chat template cannot render a user message and its answer: {error}; mend "
            "chat_template, or take a student whose template needs nothing else"
        ) from error
    return rendered


def _encode(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    if not texts:
        return []
    # A template writes its own special tokens; the tokenizer's would double the first.
    encoded: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return encoded
