"""A padded batch of sequences as the rows of one packed forward, and back: where each sequence finds its scores."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor
from transformers import PretrainedConfig

from marco_dag.training.packing.rows import split_into_rows
from marco_dag.training.packing.trie import Ints, build_trie

PACKED = "packed"
"""The key of a batch under which its packed rows are."""


class PackedRows(TypedDict):
    """N sequences of T positions as R rows of L places, of which E are scored; integers."""

    tokens: Tensor
    """[R, L]: token ids; 0 where a row is padded."""
    positions: Tensor
    """[R, L]: depths in the trie, the positions that a model with rotary embeddings is given."""
    ends: Tensor
    """[R, L]: `Trie.ends`, within the row; a padding place ends at itself."""
    parents: Tensor
    """[E]: the places, counted through all rows, whose next token is scored, row by row; one that branches is there
    once for each child."""
    children: Tensor
    """[E]: the next token, which is scored there."""
    scores: Tensor
    """[N, T−1]: 1 + the index in `parents` of what predicts each sequence's next token; 0 where nothing is scored."""


class PackedCollator:
    """A collator of padded batches that adds the same sequences as packed rows, under PACKED.

    `row_tokens`, `attention_tokens`: as `split_into_rows` takes them.
    """

    def __init__(
        self, collator: Callable[[list[dict[str, Any]]], dict[str, Any]], row_tokens: int, attention_tokens: float
    ) -> None:
        self._collator = collator
        self._row_tokens = row_tokens
        self._attention_tokens = attention_tokens

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """The collator's batch and its PACKED rows; of either stage, whose completions alone are scored."""
        batch = self._collator(examples)
        scored = batch["completion_mask"].bool() if "completion_mask" in batch else batch["labels"] != -100
        lengths = batch["attention_mask"].sum(dim=1).tolist()
        paths = [ids[:length] for ids, length in zip(batch["input_ids"].tolist(), lengths, strict=True)]
        return batch | {PACKED: pack(paths, scored.numpy(), self._row_tokens, self._attention_tokens)}


def attention_tokens(config: PretrainedConfig) -> float:
    """The row width at which a model's attention costs as much as the rest of it, by operations.

    A layer's projections and feed-forward cost about 24·d² a token, its attention 4·d·width under a dense mask; a block
    mask skips what is not seen, and costs no more in wide rows than in narrow ones.
    """
    return math.inf if config._attn_implementation == "flex_attention" else 6.0 * config.hidden_size


def pack(
    paths: Sequence[list[int]],
    scored: np.ndarray[Any, np.dtype[np.bool_]],
    row_tokens: int,
    attention_tokens: float,
) -> PackedRows:
    """`paths`, token ids each, none empty, as packed rows.

    `scored` [N, T], T the longest path: the tokens whose log-probabilities are asked for; never a path's first.
    """
    members = split_into_rows(paths, row_tokens, attention_tokens)
    tries = [build_trie([paths[index] for index in row]) for row in members]
    width = max(map(len, tries))
    parents, children, count = [], [], 0
    scores = np.zeros(scored.shape, dtype=np.int64)
    for row, (trie, indices) in enumerate(zip(tries, members, strict=True)):
        asked = scored[indices, : trie.nodes.shape[1]]  # [paths of the row, their longest]
        nodes = np.zeros(len(trie), dtype=bool)
        nodes[trie.nodes[asked]] = True
        number = np.cumsum(nodes) + count
        block = np.zeros(asked.shape, dtype=np.int64)
        block[asked] = number[trie.nodes[asked]]
        scores[indices, : trie.nodes.shape[1]] = block
        parents.append(trie.parents[nodes] + row * width)
        children.append(trie.tokens[nodes])
        count += int(nodes.sum())
    return PackedRows(
        tokens=_stack([trie.tokens for trie in tries], np.zeros(width, dtype=np.int64)),
        positions=_stack([trie.depths for trie in tries], np.zeros(width, dtype=np.int64)),
        ends=_stack([trie.ends for trie in tries], np.arange(width)),
        parents=torch.from_numpy(np.concatenate(parents)),
        children=torch.from_numpy(np.concatenate(children)),
        scores=torch.from_numpy(scores[:, 1:].copy()),
    )


def _stack(rows: Sequence[Ints], padding: Ints) -> Tensor:
    """[R, L] from rows of up to L places, each continued by what `padding` [L] has there."""
    return torch.from_numpy(np.stack([np.concatenate([row, padding[len(row) :]]) for row in rows]))
