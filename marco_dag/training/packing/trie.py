"""Token sequences as the trie of their prefixes, in preorder: every shared prefix is there once.

Knows token ids alone: no tensors, no model, and not which paths share a row (`marco_dag.training.packing.rows`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]

NO_NODE = -1
"""The parent of a path's first token, and the node of a position behind a path's end."""


@dataclass(frozen=True, slots=True)
class Trie:
    """The distinct prefixes of N paths as M nodes in preorder; a node is a token behind its ancestors' tokens.

    Node j is node i or an ancestor of it exactly where j ≤ i ≤ ends[j].
    """

    tokens: Ints
    """[M]: token ids."""
    depths: Ints
    """[M]: how many tokens precede it in every path through it, ≥ 0; its position."""
    parents: Ints
    """[M]: the node before it, smaller than itself; NO_NODE at depth 0."""
    ends: Ints
    """[M]: the last node of its subtree."""
    nodes: Ints
    """[N, T]: the nodes of each path, in the order given, T the longest path; NO_NODE behind a path's end."""

    def __len__(self) -> int:
        return len(self.tokens)


def build_trie(paths: Sequence[list[int]]) -> Trie:
    """The trie of `paths`, token ids each, none empty; paths may repeat, or begin one another."""
    order, tokens, lengths = sorted_matrix(paths)
    positions = np.arange(tokens.shape[1])
    exists = positions < lengths[:, None]  # [N, T]
    # Sorted paths are the trie's preorder: each adds the nodes behind what it shares with the one before it.
    fresh = exists & (positions >= shared_prefixes(tokens, lengths)[:, None])
    nodes = np.full(tokens.shape, NO_NODE)
    nodes[fresh] = np.arange(fresh.sum())
    nodes = np.where(exists, np.maximum.accumulate(nodes, axis=0), NO_NODE)
    before = np.hstack([np.full((len(order), 1), NO_NODE), nodes[:, :-1]])

    ends = np.zeros(fresh.sum(), dtype=np.int64)
    last_so_far = np.cumsum(fresh.sum(axis=1)) - 1
    # The last path through a node brings the last node of its subtree.
    np.maximum.at(ends, nodes[exists], np.broadcast_to(last_so_far[:, None], exists.shape)[exists])

    as_given = np.empty_like(nodes)
    as_given[order] = nodes
    return Trie(
        tokens=tokens[fresh],
        depths=np.broadcast_to(positions, fresh.shape)[fresh],
        parents=before[fresh],
        ends=ends,
        nodes=as_given,
    )


def sorted_matrix(paths: Sequence[list[int]]) -> tuple[list[int], Ints, Ints]:
    """The indices of `paths` in sorted order, the paths in that order as a matrix [N, T], and their lengths [N].

    Behind a path's end the matrix is 0.
    """
    order = sorted(range(len(paths)), key=lambda index: paths[index])
    lengths = np.array([len(paths[index]) for index in order], dtype=np.int64)
    tokens = np.zeros((len(order), lengths.max(initial=0)), dtype=np.int64)
    tokens[np.arange(tokens.shape[1]) < lengths[:, None]] = [token for index in order for token in paths[index]]
    return order, tokens, lengths


def shared_prefixes(tokens: Ints, lengths: Ints) -> Ints:
    """How many tokens each row of `tokens` [N, T] shares, from the start, with the row before it, [N]; first row 0.

    `lengths` [N]: tokens of each row.
    """
    both = np.arange(tokens.shape[1]) < np.minimum(lengths[1:], lengths[:-1])[:, None]
    shared = np.zeros(len(tokens), dtype=np.int64)
    shared[1:] = np.cumprod((tokens[1:] == tokens[:-1]) & both, axis=1).sum(axis=1)
    return shared
