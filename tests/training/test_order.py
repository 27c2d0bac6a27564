"""The order of training: every example once an epoch, like lengths together, the same after a restart."""

import math

from hypothesis import given
from hypothesis import strategies as st

from marco_dag.training.order import LengthGroupedOrder


@given(lengths=st.lists(st.integers(1, 100), max_size=80), batch_size=st.integers(1, 9), epoch=st.integers(0, 3))
def test_every_example_once_and_the_same_again(lengths, batch_size, epoch):
    order = LengthGroupedOrder(lengths, batch_size, seed=3)
    order.set_epoch(epoch)
    once = list(order)
    assert sorted(once) == list(range(len(lengths))) == list(range(len(order)))

    again = LengthGroupedOrder(lengths, batch_size, seed=3)
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


def test_epochs_and_seeds_differ():
    lengths = list(range(64))
    first, other_seed = LengthGroupedOrder(lengths, 4, seed=1), LengthGroupedOrder(lengths, 4, seed=2)
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
