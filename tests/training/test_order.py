"""The order of training: every example once an epoch, like lengths or one tree's together, the same after a restart."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.training.order import LengthGroupedOrder, TreeGroupedOrder, whole_tree_batches


def tree_order(trees, batch_size, seed, paths=None):
    return TreeGroupedOrder(trees, paths or [[index] for index in range(len(trees))], batch_size, seed)


ORDERS = [LengthGroupedOrder, tree_order]


@pytest.mark.parametrize("kind", ORDERS)
@given(traits=st.lists(st.integers(1, 20), max_size=80), batch_size=st.integers(1, 9), epoch=st.integers(0, 3))
def test_every_example_once_and_the_same_again(kind, traits, batch_size, epoch):
    order = kind(traits, batch_size, seed=3)
    order.set_epoch(epoch)
    once = list(order)
    assert sorted(once) == list(range(len(traits))) == list(range(len(order)))

    again = kind(traits, batch_size, seed=3)
    again.set_epoch(epoch)
    assert list(again) == once


@given(count=st.integers(1, 40), batch_size=st.integers(1, 9))
def test_it_can_be_asked_which_examples_a_step_took(count, batch_size):
    order = LengthGroupedOrder([5] * count, batch_size, seed=3)
    steps = math.ceil(count / batch_size)
    for epoch in range(3):
        order.set_epoch(epoch)
        taken = [order.of_step(epoch * steps + step) for step in range(1, steps + 1)]
        assert [index for step in taken for index in step] == list(order)
        assert all(len(step) == batch_size for step in taken[:-1])


@pytest.mark.parametrize("kind", ORDERS)
def test_epochs_and_seeds_differ(kind):
    traits = [number // 2 for number in range(64)]
    first, other_seed = kind(traits, 4, seed=1), kind(traits, 4, seed=2)
    epoch_0 = list(first)
    first.set_epoch(1)
    assert list(first) != epoch_0
    assert list(other_seed) != epoch_0


def test_batches_hold_like_lengths_but_do_not_come_sorted():
    lengths = [(number * 37) % 160 for number in range(160)]
    order = list(LengthGroupedOrder(lengths, 10, seed=0))
    batches = [[lengths[index] for index in order[at : at + 10]] for at in range(0, 160, 10)]
    assert max(max(batch) - min(batch) for batch in batches) < 10  # at random: about 130
    longest = [max(batch) for batch in batches]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


def test_the_order_of_the_steps_does_not_depend_on_how_a_step_is_split():
    """Gradient accumulation cuts the same order into smaller pieces: a step's examples stay the same."""
    assert list(LengthGroupedOrder([5] * 30, 8, seed=0)) == list(LengthGroupedOrder([5] * 30, 8, seed=0))


def steps_of(trees, batch_size, paths=None):
    order = list(tree_order(trees, batch_size, 0, paths))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def test_the_chains_of_a_tree_are_in_one_step():
    """Trees of one to four chains, steps of 32: none is torn apart, but where nothing else is left at the end."""
    trees = [tree for tree in range(120) for _ in range(tree % 4 + 1)]
    random.Random(0).shuffle(trees)
    steps = steps_of(trees, 32)
    torn = {tree for tree in trees if sum(tree in {trees[index] for index in step} for step in steps) > 1}
    assert len(torn) <= 2
    assert all(len(step) == 32 for step in steps[:-1])


def test_a_large_tree_comes_in_pieces_so_that_a_step_has_many_trees():
    trees = [index // 40 for index in range(800)]  # twenty trees of 40 chains
    for step in steps_of(trees, 32):
        members = [trees[index] for index in step]
        assert all(members[at : at + 4].count(members[at]) == 4 for at in range(0, 32, 4))
        assert len(set(members)) >= 4  # by chance, a tree's pieces may meet


def test_the_pieces_of_a_tree_are_neighbours():
    """Forty chains of one tree, in pairs that differ in their last token alone, however they were numbered."""
    paths = [[first, last] for last in (1, 2) for first in range(20)]
    steps = steps_of([0] * 40, 16, paths)
    together = [abs(step[at] - step[at + 1]) == 20 for step in steps for at in range(0, len(step) - 1, 2)]
    turned_by_one = [abs(step[at] - step[at + 1]) != 20 for step in steps for at in range(0, len(step) - 1, 2)]
    assert all(together) or all(turned_by_one)


@given(trees=st.lists(st.integers(0, 9), max_size=40), least=st.integers(1, 9))
def test_reference_batches_hold_whole_trees(trees, least):
    batches = whole_tree_batches(trees, least)
    assert sorted(index for batch in batches for index in batch) == list(range(len(trees)))
    assert all(len(batch) >= least for batch in batches[:-1])
    for tree in set(trees):
        assert sum(tree in {trees[index] for index in batch} for batch in batches) == 1
