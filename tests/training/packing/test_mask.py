"""The dense mask against ancestors found one by one, and FlexAttention's block mask against the dense one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_mask

from marco_dag.training.packing.batch import pack
from marco_dag.training.packing.mask import block_mask, dense_mask


def ends_of(paths, row_tokens=1000, attention_tokens=1000.0):
    scored = [[0 < place < len(path) for place in range(max(map(len, paths)))] for path in paths]
    return pack(paths, torch.tensor(scored).numpy(), row_tokens, attention_tokens)["ends"]


def test_a_node_sees_itself_and_its_ancestors():
    #     0: 7
    #     ├── 1: 8 ── 2: 9
    #     └── 3: 6
    (mask,) = dense_mask(ends_of([[7, 8, 9], [7, 10]]))[0]
    assert mask.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 1]]


def test_padding_sees_itself_alone_and_is_seen_by_nobody():
    mask = dense_mask(torch.tensor([[1, 1, 2, 3]]))[0, 0]
    assert mask.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=12), min_size=1, max_size=12))
def test_every_row_of_a_path_sees_exactly_the_path(paths):
    scored = torch.tensor([[0 < place < len(path) for place in range(max(map(len, paths)))] for path in paths])
    packed = pack(paths, scored.numpy(), 20, 10.0)
    mask = dense_mask(packed["ends"]).flatten(0, 2)  # [R·L, L]
    for path, scores in zip(paths, packed["scores"].tolist(), strict=True):
        for length, score in enumerate(scores[: len(path) - 1], start=1):
            parent = packed["parents"][score - 1]
            seen = packed["tokens"][parent // packed["ends"].shape[1]][mask[parent]]
            assert seen.tolist() == path[:length]
            assert packed["children"][score - 1] == path[length]


@pytest.mark.parametrize("length", [20, 128, 300])
def test_the_block_mask_is_the_dense_mask(length):
    """Chains of three prompts, some of over one block of 128, in rows of several blocks and with padding."""
    torch.manual_seed(0)
    stems = torch.randint(1, 9, (3, length)).tolist()
    paths = [
        [*stems[number % 3][: length - 7 * number], *torch.randint(1, 9, (length // 2,)).tolist(), 1]
        for number in range(min(12, length // 7))
    ]
    ends = ends_of(paths, row_tokens=900, attention_tokens=float("inf"))
    rows, width = ends.shape
    blocks, dense = block_mask(ends), dense_mask(ends)
    assert torch.equal(create_mask(blocks.mask_mod, rows, 1, width, width, device="cpu"), dense)

    # What FlexAttention looks at: listed blocks through the rule, full blocks whole, all others not at all.
    looked_at, full = (
        torch.zeros(rows, 1, *[-(-width // 128)] * 2, dtype=torch.bool).scatter_(-1, indices.long(), first)
        for indices, first in (
            listed(blocks.kv_indices, blocks.kv_num_blocks),
            listed(blocks.full_kv_indices, blocks.full_kv_num_blocks),
        )
    )
    assert not (looked_at & full).any()
    assert not (dense & ~spread(looked_at | full, width)).any()
    assert dense[spread(full, width)].all()
    skipped = ~(looked_at | full)
    if width > 256:
        assert skipped.tril().any() or skipped.triu(1).any()


def listed(indices, numbers):
    return indices, torch.arange(indices.shape[-1]) < numbers[..., None]


def spread(blocks, width):
    """[R, 1, L, L] from a value a block."""
    return blocks.repeat_interleave(128, dim=-1).repeat_interleave(128, dim=-2)[..., :width, :width]
