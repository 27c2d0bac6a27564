"""Who sees whom in a packed row: a node itself and its ancestors, nobody beside them.

The same rule twice: as a dense mask for sdpa, and as a block mask for FlexAttention, which never looks at blocks that
nobody may see.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

_BLOCK = 128
"""Places along either side of a block: FlexAttention's default."""


def dense_mask(ends: Tensor) -> Tensor:
    """Booleans [R, 1, L, L], true where the query (third axis) attends to the key (fourth).

    `ends` [R, L]: the place, in its row, of the last node of each node's subtree. A padding place ends at itself: it
    sees itself alone and is seen by nobody else.
    """
    places = torch.arange(ends.shape[1], device=ends.device)
    queries = places[:, None]
    return ((places <= queries) & (queries <= ends[:, None, :]))[:, None]


def block_mask(ends: Tensor) -> BlockMask:
    """`dense_mask` for `torch.nn.attention.flex_attention`, made without ever building anything of size L²."""
    rows, width = ends.shape
    count = -(-width // _BLOCK)
    blocks = F.pad(ends, (0, count * _BLOCK - width), value=-1).view(rows, 1, count, _BLOCK)
    number = torch.arange(count, device=ends.device)
    queries, keys = number[:, None], number
    first, last = queries * _BLOCK, queries * _BLOCK + _BLOCK - 1
    seen = (keys <= queries) & (blocks.amax(dim=-1)[:, :, None] >= first)  # [R, 1, Q, K]
    whole = (keys < queries) & (blocks.amin(dim=-1)[:, :, None] >= last)  # every key by every query

    def sees(row: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (query <= ends[row, key])

    return BlockMask.from_kv_blocks(
        *_listed(seen & ~whole), *_listed(whole), BLOCK_SIZE=_BLOCK, mask_mod=sees, seq_lengths=(width, width)
    )


def _listed(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """How many key blocks each query block has, [R, 1, Q], and which, those first, [R, 1, Q, K]."""
    indices = torch.argsort(blocks.to(torch.int8), dim=-1, descending=True, stable=True)
    return blocks.sum(dim=-1).to(torch.int32), indices.to(torch.int32)
