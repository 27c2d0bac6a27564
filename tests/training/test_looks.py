"""What looks at the watched questions amount to: when a rate has climbed, which look was best, what follows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.evaluation.intervals import rise_bound
from marco_dag.training import WatchConfig
from marco_dag.training.looks import WATCH, Look, follow, say_climb, watch_table

N = 96
PLANNED = 6


def looks(*counts, n=N):
    """Looks ten steps apart with (no answer, correct) counts."""
    return [Look(10 * at, n, silent, 0, correct, 40 * n) for at, (silent, correct) in enumerate(counts)]


def course(*counts, n=N, planned=PLANNED, **config):
    return follow(looks(*counts, n=n), planned, WatchConfig(**config))


def test_a_climb_is_one_beyond_the_noise_of_so_few_questions():
    assert course((0, 40), (8, 40)).climbed == (False, False)  # 8.3%: still what chance can do
    assert course((0, 40), (9, 40)).climbed == (False, True)
    assert course((0, 40), (9, 40), planned=40).climbed == (False, False)  # more looks, more chances to be wrong
    assert course((0, 400), (60, 400), n=1000, climb=0.1).climbed == (False, False)  # no noise, but too small to matter
    assert course((0, 400), (60, 400), n=1000).climbed == (False, True)


def test_a_climb_is_over_the_lowest_seen_not_over_the_start():
    """A base model that knows no tags begins at 100%; that it then comes down hides no collapse."""
    found = course((96, 0), (2, 30), (0, 35), (3, 35), (30, 20))
    assert found.climbed == (False, False, False, False, True)
    assert found.lowest[-1].step == 20


def test_the_bound_is_newcombes():
    """Newcombe 1998, table II, contrast (b), method 10: 9/10 against 3/10, 95% from 0.1705."""
    assert rise_bound(3 / 10, 9 / 10, 10, 0.975) == pytest.approx(0.1705, abs=5e-5)


@pytest.mark.parametrize("planned", [6, 20])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3])
def test_a_steady_run_is_left_in_peace(rate, planned):
    """At most one steady run in 20 has a look taken for a climb, even were the questions others at each look."""
    rng = np.random.default_rng(0)
    runs = [[(int(count), 0) for count in rng.binomial(N, rate, planned)] for _ in range(1000)]
    alarms = sum(any(course(*run, planned=planned).climbed) for run in runs)
    assert alarms <= 0.05 * 1000


def test_a_healthy_run_keeps_its_last_weights_even_where_an_earlier_look_was_luckier():
    found = course((1, 40), (0, 50), (2, 45))
    assert found.best.step == 10
    assert found.kept.step == 20
    assert not found.stopped


def test_a_climb_stops_the_run_and_keeps_the_most_accurate_look_before_it():
    found = course((0, 40), (1, 50), (2, 45), (30, 20))
    assert found.stopped
    assert found.kept.step == found.best.step == 10


def test_a_look_that_is_likely_worse_is_not_the_best_however_accurate():
    assert course((0, 40), (3, 48), (30, 20)).kept.step == 10
    assert course((0, 40), (4, 48), (30, 20)).kept.step == 0  # 0 of 96 against 4 of 96: one-sided p < 0.05


def test_of_looks_that_are_as_accurate_the_one_with_fewer_no_answers_then_the_later():
    assert course((0, 40), (3, 50), (1, 50), (1, 50), (2, 50), (40, 20)).kept.step == 30


def test_a_run_that_may_go_on_and_comes_back_keeps_its_last_weights():
    found = course((0, 40), (30, 20), (1, 39), action="none")
    assert found.climbed == (False, True, False)
    assert found.kept.step == 20


def test_last_keeps_the_last_whatever_it_is():
    assert course((0, 40), (90, 2), keep="last").kept.step == 10


def test_lower_lowers_at_each_climb_but_not_while_the_rate_is_falling_again():
    found = course((0, 40), (20, 20), (30, 15), (15, 25), (1, 40), (20, 20), action="lower", factor=0.5)
    assert found.climbed == (False, True, True, True, False, True)
    assert found.scales == (1, 0.5, 0.25, 0.25, 0.25, 0.125)
    assert not found.stopped
    assert course((0, 40), (90, 1)).scales == (1, 1)


@given(st.lists(st.tuples(st.integers(0, 32), st.integers(0, 32)), min_size=1, max_size=8))
def test_what_is_kept_is_one_of_the_looks_and_never_a_climbed_one_while_the_best_are_kept(counts):
    found = course(*counts, n=32)
    climbed = dict(zip(found.looks, found.climbed, strict=True))
    assert not climbed[found.kept]
    assert found.kept in (found.best, found.looks[-1])


def test_a_look_survives_the_trainers_log():
    taken = looks((0, 40), (30, 20))
    log = [{"loss": 1.0, "step": 1}, taken[0].to_log(), {"train_runtime": 3.0, "step": 2}, taken[1].to_log()]
    assert Look.all_from_log(log) == taken


def test_the_table_says_rates_and_what_became_of_them():
    table = watch_table(course((0, 48), (24, 24), action="lower", factor=0.5))
    assert table.schema == WATCH
    assert table.row(1) == (10, 96, 0.25, 0.0, 0.25, 40.0, 0.5, True, False)
    assert table["kept"].to_list() == [True, False]


def test_the_message_says_the_step_the_rates_with_their_n_and_what_to_do():
    said = say_climb(course((0, 48), (1, 48), (24, 24)), 92, WatchConfig())
    assert said.startswith("step 20 of 92: 24 of 96 watched questions got no answer (25.0%, 40 tokens each)")
    assert "at step 0 it was 0 (0.0%" in said
    assert "stopped, and the weights of step 0 kept" in said
    assert "Lower learning_rate" in said
