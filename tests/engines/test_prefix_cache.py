"""The prefix cache: whole blocks, exact tokens, bounded memory."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.engines.prefix_cache import BLOCK_TOKENS, PrefixCache

tokens = st.lists(st.integers(0, 3), max_size=40)


def state_of(sequence):
    """A state [1, 2, 1, n, 1] from which the tokens can be read back."""
    return torch.tensor(sequence, dtype=torch.float32).view(1, 1, 1, -1, 1).expand(1, 2, 1, -1, 1)


@given(st.lists(tokens, max_size=6), tokens)
def test_what_is_found_is_a_prefix_in_whole_blocks_that_leaves_a_token(stored, wanted):
    cache = PrefixCache(1 << 20)
    for sequence in stored:
        cache.store(sequence, 0, state_of(sequence))
    found = cache.find(wanted)
    if found is not None:
        length = found.shape[-2]
        assert length % BLOCK_TOKENS == 0
        assert length < len(wanted)
        assert found[0, 0, 0, :, 0].tolist() == wanted[:length]


def test_a_stored_prefix_is_found_by_its_continuation():
    cache = PrefixCache(1 << 20)
    sequence = list(range(20))
    cache.store(sequence, 0, state_of(sequence))
    assert cache.find([*sequence, 99]).shape[-2] == 16
    assert cache.find([99, *sequence]) is None
    assert cache.unknown_from(sequence) == 16


def test_a_later_part_is_stored_from_where_it_begins():
    cache = PrefixCache(1 << 20)
    sequence = list(range(32))
    cache.store(sequence[:16], 0, state_of(sequence[:16]))
    cache.store(sequence, 16, state_of(sequence[16:]))
    assert cache.find([*sequence, 99])[0, 0, 0, :, 0].tolist() == sequence


def test_the_least_recently_used_block_leaves_first():
    block = state_of(list(range(BLOCK_TOKENS)))
    cache = PrefixCache(2 * block.numel() * 4)
    first, second, third = ([start] * BLOCK_TOKENS for start in (1, 2, 3))
    cache.store(first, 0, block)
    cache.store(second, 0, block)
    assert cache.find([*first, 0]) is not None
    cache.store(third, 0, block)
    assert cache.find([*second, 0]) is None
    assert cache.find([*first, 0]) is not None


def test_a_cache_of_no_bytes_asks_for_nothing():
    cache = PrefixCache(0)
    assert cache.unknown_from([1] * 20) == 20
    assert cache.find([1] * 20) is None
