"""From texts to token ids: what is trained on, and what is dropped and why.

The prompt is rendered by the student's chat template as one user message, up to where the assistant begins; the
completion is tokenized on its own behind it and closed by the end-of-sequence token. That is what the student sees and
writes when it answers, so no token is merged across the boundary. Nothing is ever truncated.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from marco_dag.curation import common_prefix_length
from marco_dag.errors import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EMPTY = "empty completion"
EQUAL = "chosen equals rejected"
LATE = "divergence beyond max_tokens"
LONG = "longer than max_tokens"
UNCLEAN = "end-of-sequence token inside the completion"


@dataclass(frozen=True, slots=True)
class SftExample:
    """One chain to imitate; token ids."""

    prompt: list[int]
    completion: list[int]
    """Closed by the end-of-sequence token."""

    @property
    def tokens(self) -> int:
        """Length with its prompt."""
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True, slots=True)
class PairExample:
    """One preference; token ids, both completions closed by the end-of-sequence token."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    @property
    def tokens(self) -> int:
        """Length of the longer side with its prompt."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


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


def sft_examples(
    cot_set: pl.DataFrame, tokenizer: "PreTrainedTokenizerBase", max_tokens: int
) -> tuple[list[SftExample], dict[str, int]]:
    """The examples of a CoT set (schemas.COT_SET) in the order of chain_id, and how many were dropped by reason."""
    rows = cot_set.sort("chain_id")
    prompts = _encode_prompts(rows["prompt"].to_list(), tokenizer)
    completions = _encode_completions(rows["completion"].to_list(), tokenizer)
    examples, dropped = [], Counter[str]()
    for prompt, completion in zip(prompts, completions, strict=True):
        reason = _fault(prompt, [completion], tokenizer.eos_token_id, max_tokens)
        if reason is None:
            examples.append(SftExample(prompt, completion))
        else:
            dropped[reason] += 1
    return examples, dict(dropped)


def pair_examples(
    pairs: pl.DataFrame, tokenizer: "PreTrainedTokenizerBase", max_tokens: int
) -> tuple[list[PairExample], dict[str, int]]:
    """The examples of preference pairs (schemas.PREFERENCE_PAIRS) in the order of pair_id, and the dropped by reason.

    A pair is kept or dropped whole, whatever the recipe weighs, so that recipes on the same pairs see the same ones.
    """
    rows = pairs.sort("pair_id")
    prompts = _encode_prompts(rows["prompt"].to_list(), tokenizer)
    chosen = _encode_completions(rows["chosen"].to_list(), tokenizer)
    rejected = _encode_completions(rows["rejected"].to_list(), tokenizer)
    examples, dropped = [], Counter[str]()
    for example in map(PairExample, prompts, chosen, rejected):
        reason = _pair_fault(example, tokenizer.eos_token_id, max_tokens)
        if reason is None:
            examples.append(example)
        else:
            dropped[reason] += 1
    return examples, dict(dropped)


def _pair_fault(example: PairExample, eos: int, max_tokens: int) -> str | None:
    if example.chosen == example.rejected:
        return EQUAL
    if len(example.prompt) + common_prefix_length(example.chosen, example.rejected) >= max_tokens:
        return LATE
    return _fault(example.prompt, [example.chosen, example.rejected], eos, max_tokens)


def _fault(prompt: Sequence[int], completions: Sequence[Sequence[int]], eos: int, max_tokens: int) -> str | None:
    if any(len(completion) == 1 for completion in completions):
        return EMPTY
    if any(len(prompt) + len(completion) > max_tokens for completion in completions):
        return LONG
    if any(eos in completion[:-1] for completion in completions):
        return UNCLEAN
    return None


def _encode_prompts(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    conversations = [[{"role": "user", "content": text}] for text in texts]
    rendered = tokenizer.apply_chat_template(conversations, tokenize=False, add_generation_prompt=True)
    # The template writes its own special tokens; the tokenizer's would double the first.
    return _ids(rendered, tokenizer)


def _encode_completions(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    return [[*ids, tokenizer.eos_token_id] for ids in _ids(texts, tokenizer)]


def _ids(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    if not texts:
        return []
    encoded: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return encoded
