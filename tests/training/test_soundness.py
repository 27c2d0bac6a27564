"""When a training stops by itself, and which state it names: the rules on made-up logs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.training.soundness import WINDOW, fault_of_step, last_sound_state

RISE = 3.0


def logged(*losses):
    return [{"loss": loss, "grad_norm": 1.0} for loss in losses]


def first_fault(*losses):
    """The step (from 1) at which a training with these losses stops; None if it runs to its end."""
    log = logged(*losses)
    return next((at + 1 for at in range(len(log)) if fault_of_step(log[:at], log[at], RISE)), None)


@pytest.mark.parametrize("name", ["loss", "grad_norm"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_a_fault_at_once(name, value):
    step = {"loss": 1.0, "grad_norm": 1.0} | {name: value}
    assert fault_of_step([], step, RISE) == f"the {name.replace('_', ' ')} is {value}"


def test_an_explosion_is_a_fault_once_most_of_the_window_has_risen():
    assert first_fault(2.0, 2.0, 2.0, 2.0, 6.1, 7.0, 8.0, 9.0) == 7
    assert fault_of_step(logged(2, 2, 2, 2, 6.1, 7), logged(8)[0], RISE) == (
        "the loss exploded: the median of the last 5 steps is 6.1, over 3 (max_loss_rise) times the 2 of the start"
    )


def test_one_hard_batch_is_none_and_neither_are_two():
    assert first_fault(2.0, 1.5, 40.0, 1.2, 1.0, 1.1, 1.0, 50.0, 60.0, 1.0, 0.9) is None


def test_the_start_is_the_first_step_alone_for_the_second_may_be_broken_already():
    assert first_fault(2.0, 90.0, 90.0, 90.0, 90.0) == WINDOW


def test_a_small_loss_may_rise_manifold():
    """A student that knows its first batch by heart has a loss near 0 there; that of the others is no explosion."""
    assert first_fault(0.01, 0.4, 0.5, 0.4, 0.5, 0.4, 0.6) is None
    assert first_fault(0.01, 3.5, 3.5, 3.5, 3.5) == WINDOW


def test_what_the_log_holds_besides_steps_is_passed_over():
    log = [*logged(2.0, 9.0, 9.0), {"train_runtime": 3.0}, *logged(9.0)]
    assert fault_of_step(log, logged(9.0)[0], RISE) is not None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(1, 50), st.floats(0, 1))
def test_a_loss_that_never_leaves_the_starts_order_is_no_fault(shares, start, place):
    log = logged(start, *(share * RISE * start for share in shares))
    at = int(place * (len(log) - 1))
    assert fault_of_step(log[:at], log[at], RISE) is None


@given(st.lists(st.floats(0, 1e6), min_size=WINDOW, max_size=40))
def test_it_stops_exactly_where_three_of_five_steps_are_over_the_limit(losses):
    limit = RISE * max(losses[0], 1.0)
    over = [sum(loss > limit for loss in losses[end - WINDOW : end]) > 2 for end in range(WINDOW, len(losses) + 1)]
    assert first_fault(*losses) == (over.index(True) + WINDOW if True in over else None)


@pytest.fixture
def states(tmp_path):
    """Whole states after steps 2, 4 and 6."""
    for step in (2, 4, 6):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"):
            (folder / name).write_text("{}")
    return tmp_path


def test_the_last_good_state_is_the_newest_whose_weights_had_a_sound_loss(states):
    """The loss of step n + 1 is that of the weights saved after step n."""
    gradient_broke = last_sound_state(states, logged(2, 2, 2, 2, 2, 2), logged(2)[0], RISE)
    assert gradient_broke.name == "checkpoint-6"
    assert last_sound_state(states, logged(2, 2, 2, 2, 2, 2), logged(math.nan)[0], RISE).name == "checkpoint-4"
    assert last_sound_state(states, logged(2, 2, 2, 2, 7, 9), logged(9)[0], RISE).name == "checkpoint-2"
    assert last_sound_state(states, logged(2, 2, 7, 9, 9, 9), logged(9)[0], RISE) is None


def test_a_state_that_was_cut_off_is_no_good_state(states):
    (states / "checkpoint-4" / "optimizer.pt").unlink()
    assert last_sound_state(states, logged(2, 2, 2, 2, 2, 2), logged(math.nan)[0], RISE).name == "checkpoint-2"


def test_nothing_saved_is_no_good_state(tmp_path):
    assert last_sound_state(tmp_path, [], logged(math.nan)[0], RISE) is None
