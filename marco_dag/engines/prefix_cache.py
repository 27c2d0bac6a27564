"""Keys and values of token prefixes that were computed before, so that a tree's shared past is computed once.

Prefixes are cut into blocks of a few tokens; a block is known by itself and everything before it. Bounded by memory:
the least recently used block leaves first. A hit is exact: the same tokens at the same positions.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

BLOCK_TOKENS = 8
"""Tokens a block; a prefix is found in whole blocks only."""


class PrefixCache:
    """Blocks of keys and values by the token prefix that they end."""

    def __init__(self, max_bytes: int) -> None:
        """Hold at most `max_bytes` of keys and values; 0 holds nothing and costs nothing."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._blocks: OrderedDict[bytes, Tensor] = OrderedDict()

    def find(self, tokens: Sequence[int]) -> Tensor | None:
        """The state of the longest known prefix, [layers, 2, H, k·BLOCK_TOKENS, D]; None where no block is known.

        The last token is always left to be computed, since its logits are wanted.
        """
        found: list[Tensor] = []
        if not self._blocks:
            return None
        for key in _block_keys(tokens[:-1]):
            block = self._blocks.get(key)
            if block is None:
                break
            self._blocks.move_to_end(key)
            found.append(block)
        return torch.cat(found, dim=-2) if found else None

    def unknown_from(self, tokens: Sequence[int]) -> int:
        """The first position whose block is not held: where `store` has to begin; len(tokens) if nothing is kept."""
        if not self._max_bytes:
            return len(tokens)
        known = 0
        for key in _block_keys(tokens):
            if key not in self._blocks:
                break
            known += BLOCK_TOKENS
        return known

    def store(self, tokens: Sequence[int], start: int, state: Tensor) -> None:
        """Keep the whole blocks of `tokens` from position `start` on, whose state is [layers, 2, H, n, D]."""
        for index, key in enumerate(_block_keys(tokens)):
            offset = index * BLOCK_TOKENS - start
            if offset < 0 or key in self._blocks:
                continue
            block = state[..., offset : offset + BLOCK_TOKENS, :].clone()
            self._blocks[key] = block
            self._bytes += block.nbytes
        while self._bytes > self._max_bytes:
            _, dropped = self._blocks.popitem(last=False)
            self._bytes -= dropped.nbytes


def _block_keys(tokens: Sequence[int]) -> Iterator[bytes]:
    """The name of each whole block: a digest of all tokens up to its end."""
    key = b""
    data = np.asarray(tokens, dtype=np.int32)
    for end in range(BLOCK_TOKENS, len(tokens) + 1, BLOCK_TOKENS):
        key = hashlib.blake2b(key + data[end - BLOCK_TOKENS : end].tobytes(), digest_size=16).digest()
        yield key
