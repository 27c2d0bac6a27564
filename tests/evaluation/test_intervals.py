import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.evaluation.intervals import bootstrap_runs, paired_difference, rate, standard_error, wilson

CONFIDENCES = st.floats(0.5, 0.999)


def per_question(*rates):
    return np.array(rates, dtype=np.float64)


def test_wilson_by_hand():
    # 8 of 10, z = 1.959964: centre (0.8 + z²/20) / (1 + z²/10) = 0.716746, half-width 0.226578
    assert wilson(0.8, 10, 0.95) == pytest.approx((0.490168, 0.943324), abs=1e-5)
    # 0 of 10: from 0 to z²/(10 + z²)
    assert wilson(0.0, 10, 0.95) == pytest.approx((0.0, 0.277533), abs=1e-6)


def test_one_answer_a_question_is_plain_wilson():
    found = rate(per_question(*[1] * 8, *[0] * 2), answers=10, confidence=0.95)
    assert (found.low, found.high) == pytest.approx(wilson(0.8, 10, 0.95))


def test_several_answers_count_for_as_much_as_they_differ():
    def interval(rates, answers):
        found = rate(per_question(*rates), answers, 0.95)
        return pytest.approx((found.low, found.high))

    # two questions, two answers each, alike within a question: as good as two answers
    assert interval((1, 0), 4) == wilson(0.5, 2, 0.95)
    # every question half right: as good as four
    assert interval((0.5, 0.5), 4) == wilson(0.5, 4, 0.95)
    # var(x) = 0.125 = p(1-p)/2: the eight answers behave as independent ones
    assert interval((1, 0.5, 0.5, 0), 8) == wilson(0.5, 8, 0.95)


def test_standard_error_by_hand():
    # 1 0 0 1: sd² = (4 · 0.25) / 3, over the root of 4
    assert standard_error(per_question(1, 0, 0, 1)) == pytest.approx((1 / 3) ** 0.5 / 2)
    assert standard_error(per_question(1)) is None


def test_paired_difference_by_hand():
    found = paired_difference(per_question(1, 1, 0, 1), per_question(0, 1, 0, 0), 0.95, seed=0)
    assert found.value == 0.5
    assert found.se == pytest.approx((1 / 3) ** 0.5 / 2)
    # four resamples of {1, 0, 0, 1}: the mean is k/4 with k ~ Binomial(4, 1/2), which puts 1/16 on each end
    assert (found.low, found.high) == (0, 1)


def test_the_multinomial_draw_is_the_bootstrap():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 2, 200).astype(float), rng.integers(0, 3, 200) / 2
    found = paired_difference(first, second, 0.9, seed=0)
    rows = rng.integers(0, 200, (10_000, 200))
    means = (first - second)[rows].mean(axis=1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])), abs=0.005)


def test_a_difference_of_identical_answers_is_no_effect():
    found = paired_difference(per_question(1, 0, 1), per_question(1, 0, 1), 0.95, seed=0)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert not found.excludes_zero


def test_the_seed_decides_the_bootstrap():
    first, second = per_question(*[1, 0, 0] * 30), per_question(*[0, 0, 1, 1, 0] * 18)
    assert paired_difference(first, second, 0.95, 3) == paired_difference(first, second, 0.95, 3)


@pytest.mark.parametrize("estimate", [lambda e: rate(e, 0, 0.95), lambda e: paired_difference(e, e, 0.95, 0)])
def test_no_questions_have_no_estimate(estimate):
    with pytest.raises(ValueError, match="no questions"):
        estimate(per_question())


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), CONFIDENCES)
def test_a_rate_lies_in_its_interval_and_that_in_0_to_1(quarters, confidence):
    found = rate(per_question(*(q / 4 for q in quarters)), 4 * len(quarters), confidence)
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40), CONFIDENCES)
def test_a_difference_lies_in_its_interval(halves, confidence):
    first, second = np.array(halves, dtype=np.float64).T / 2
    found = paired_difference(first, second, confidence, seed=0)
    assert -1 <= found.low <= found.value <= found.high <= 1


class TestRuns:
    """A bootstrap over runs and questions at once."""

    def test_one_run_is_the_bootstrap_over_questions(self):
        rng = np.random.default_rng(2)
        first, second = rng.integers(0, 2, 300).astype(float), rng.integers(0, 2, 300).astype(float)
        alone, among = paired_difference(first, second, 0.9, 0), bootstrap_runs((first - second)[None], 0.9, 0)
        assert among.value == alone.value
        assert among.se == pytest.approx(alone.se, rel=0.03)
        assert (among.low, among.high) == pytest.approx((alone.low, alone.high), abs=0.005)

    def test_runs_that_differ_widen_the_interval_however_many_questions_there_are(self):
        # every question fares alike: only which of the four runs are drawn matters, k of the better ones of Bin(4, 1/2)
        differences = np.repeat([[0.0], [0.0], [1.0], [1.0]], 1000, axis=1)
        found = bootstrap_runs(differences, 0.95, seed=0)
        assert found.value == 0.5
        assert (found.low, found.high) == (0, 1)
        assert found.se == pytest.approx((0.25 / 4) ** 0.5, rel=0.03)

    def test_draws_runs_and_questions_each_on_their_own(self):
        rng = np.random.default_rng(3)
        differences = rng.integers(-1, 2, (3, 60)) + rng.integers(0, 2, (3, 1))
        found = bootstrap_runs(differences.astype(float), 0.9, seed=0)
        runs, questions = rng.integers(0, 3, (10_000, 3)), rng.integers(0, 60, (10_000, 60))
        means = differences[runs[:, :, None], questions[:, None, :]].mean(axis=(1, 2))
        assert found.se == pytest.approx(means.std(), rel=0.03)
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])), abs=0.02)

    def test_nothing_has_no_mean(self):
        with pytest.raises(ValueError, match="no questions"):
            bootstrap_runs(np.empty((2, 0)), 0.95, seed=0)
