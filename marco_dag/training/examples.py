"""From rows to examples: what is trained on, and what is dropped and why.

An example is what the student sees and what it writes when it answers, so no token is merged across the boundary of
prompt and completion (`marco_dag.training.rendering`). Nothing is ever truncated.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from marco_dag.curation import common_prefix_length
from marco_dag.errors import TrainingError
from marco_dag.thoughts import ends_inside_block
from marco_dag.training.rendering import check_template, encode_completions, encode_prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CUT = "cut inside a block"
EMPTY = "empty completion"
EQUAL = "chosen equals rejected"
LATE = "divergence beyond max_tokens"
LONG = "longer than max_tokens"
UNCLEAN = "end-of-sequence token inside the completion"

Example = TypeVar("Example")


@dataclass(frozen=True, slots=True)
class SftExample:
    """One chain to imitate; token ids."""

    prompt: list[int]
    completion: list[int]
    """Closed by the end-of-sequence token."""
    id: str = ""
    """chain_id of its row."""

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
    id: str = ""
    """pair_id of its row."""
    label_smoothing: float | None = None
    """The pair's own ε of cDPO, in [0, 0.5]; None where it has none."""

    @property
    def tokens(self) -> int:
        """Length of the longer side with its prompt."""
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


def sft_examples(
    cot_set: pl.DataFrame, tokenizer: "PreTrainedTokenizerBase", max_tokens: int
) -> tuple[list[SftExample], dict[str, int]]:
    """The examples of a CoT set (schemas.COT_SET) in the order of chain_id, and how many were dropped by reason.

    TrainingError if the chat template moves the prompt's tokens.
    """
    rows = cot_set.sort("chain_id")
    ids, texts, completions = (rows[name].to_list() for name in ("chain_id", "prompt", "completion"))
    prompts = encode_prompts(texts, tokenizer)
    check_template(ids, texts, completions, prompts, tokenizer)
    encoded = encode_completions(completions, tokenizer)
    examples = [SftExample(*parts) for parts in zip(prompts, encoded, ids, strict=True)]
    return _without_faults(
        (example, _fault(example.prompt, {text: example.completion}, tokenizer.eos_token_id, max_tokens))
        for example, text in zip(examples, completions, strict=True)
    )


def pair_examples(
    pairs: pl.DataFrame, tokenizer: "PreTrainedTokenizerBase", max_tokens: int
) -> tuple[list[PairExample], dict[str, int]]:
    """The examples of preference pairs (schemas.PREFERENCE_PAIRS) in the order of pair_id, and the dropped by reason.

    A pair is kept or dropped whole, whatever the recipe weighs, so that recipes on the same pairs see the same ones.
    TrainingError if the chat template moves the prompt's tokens, or a pair's label_smoothing is outside [0, 0.5].
    """
    rows = pairs.sort("pair_id")
    _check_smoothing(rows)
    names = ("pair_id", "prompt", "chosen", "rejected", "label_smoothing")
    ids, texts, chosen, rejected, smoothing = (rows[name].to_list() for name in names)
    prompts = encode_prompts(texts, tokenizer)
    check_template(ids, texts, chosen, prompts, tokenizer)
    sides = (encode_completions(side, tokenizer) for side in (chosen, rejected))
    examples = [PairExample(*parts) for parts in zip(prompts, *sides, ids, smoothing, strict=True)]
    return _without_faults(
        (example, _pair_fault(example, both, tokenizer.eos_token_id, max_tokens))
        for example, both in zip(examples, zip(chosen, rejected, strict=True), strict=True)
    )


def _check_smoothing(pairs: pl.DataFrame) -> None:
    impossible = pairs.filter(~pl.col("label_smoothing").is_between(0.0, 0.5))
    if not impossible.is_empty():
        pair, value = impossible.select("pair_id", "label_smoothing").row(0)
        raise TrainingError(
            f"preference_pairs, {pair}: label_smoothing is {value}; give 0 to 0.5, or null for the recipe's"
        )


def _without_faults(judged: Iterable[tuple[Example, str | None]]) -> tuple[list[Example], dict[str, int]]:
    kept, dropped = [], Counter[str]()
    for example, fault in judged:
        if fault is None:
            kept.append(example)
        else:
            dropped[fault] += 1
    return kept, dict(dropped)


def _pair_fault(example: PairExample, texts: tuple[str, str], eos: int, max_tokens: int) -> str | None:
    if example.chosen == example.rejected:
        return EQUAL
    if len(example.prompt) + common_prefix_length(example.chosen, example.rejected) >= max_tokens:
        return LATE
    completions = dict(zip(texts, (example.chosen, example.rejected), strict=True))
    return _fault(example.prompt, completions, eos, max_tokens)


def _fault(prompt: list[int], completions: dict[str, list[int]], eos: int, max_tokens: int) -> str | None:
    """The first fault of `completions`, text → token ids."""
    if any(len(ids) == 1 for ids in completions.values()):
        return EMPTY
    if any(ends_inside_block(text) for text in completions):
        return CUT
    if any(len(prompt) + len(ids) > max_tokens for ids in completions.values()):
        return LONG
    if any(eos in ids[:-1] for ids in completions.values()):
        return UNCLEAN
    return None
