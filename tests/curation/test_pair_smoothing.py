"""A pair's own ε: what the visits of the two branches say about which one is better."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.curation import CurationConfig, extract_chains, preference_pairs, visit_smoothing
from marco_dag.curation.smoothing import MOST_SMOOTHING, probability_above
from marco_dag.errors import CurationError
from marco_dag.thoughts import ThoughtKind

PAGE = Path(__file__).parents[2] / "docs" / "curation.md"


@st.composite
def branches(draw, most: int = 40) -> tuple[int, int]:
    """(correct, visits) of a branch."""
    visits = draw(st.integers(0, most))
    return draw(st.integers(0, visits)), visits


def beta_density(grid: np.ndarray, correct: int, visits: int) -> np.ndarray:
    density = grid**correct * (1 - grid) ** (visits - correct)
    return density / density.sum()


class TestByHand:
    def test_one_answer_each_right_and_wrong(self):
        # θ_rejected ~ Beta(1, 2), θ_chosen ~ Beta(2, 1): ∫ t² · 2(1 − t) dt = 2/3 − 2/4
        assert visit_smoothing(1, 1, 0, 1) == float(Fraction(1, 6))

    def test_nothing_known_is_a_coin(self):
        assert probability_above(0, 0, 0, 0) == 0.5

    def test_three_right_against_three_wrong(self):
        # Beta(1, 4) against Beta(4, 1): ∫ t⁴ · 4(1 − t)³ dt = 4 · B(5, 4) = 4 · 4!·3!/8! = 1/70
        assert visit_smoothing(3, 3, 0, 3) == float(Fraction(1, 70))

    def test_the_examples_of_the_page(self):
        rows = re.findall(r"^\| (\d) of (\d) right, (\d) of (\d).* \| ([\d.]+) \|$", PAGE.read_text(), re.MULTILINE)
        assert len(rows) >= 4
        for *counts, epsilon in rows:
            assert f"{visit_smoothing(*map(int, counts)):.3g}" == epsilon

    def test_a_rejected_branch_that_looks_better_is_as_good_as_unknown(self):
        assert visit_smoothing(1, 10, 9, 10) == MOST_SMOOTHING < 0.5

    @pytest.mark.parametrize("counts", [(2, 1, 0, 1), (0, 1, 2, 1), (-1, 1, 0, 1)])
    def test_impossible_counts_are_refused(self, counts):
        with pytest.raises(ValueError, match="cannot be correct"):
            visit_smoothing(*counts)


@given(one=branches(), other=branches())
def test_agrees_with_the_integral(one, other):
    grid = (np.arange(20_000) + 0.5) / 20_000
    below = np.cumsum(beta_density(grid, *other)) - beta_density(grid, *other) / 2
    assert probability_above(*one, *other) == pytest.approx(float((beta_density(grid, *one) * below).sum()), abs=1e-6)


@given(one=branches(), other=branches())
def test_the_two_directions_add_up_to_one(one, other):
    assert probability_above(*one, *other) + probability_above(*other, *one) == pytest.approx(1, abs=1e-15)


@given(chosen=branches(), rejected=branches())
def test_stays_in_range(chosen, rejected):
    assert 0 < visit_smoothing(*chosen, *rejected) <= MOST_SMOOTHING


@given(chosen=branches(12), rejected=branches(12))
def test_falls_with_what_speaks_for_the_chosen_and_rises_with_what_speaks_for_the_rejected(chosen, rejected):
    (correct, visits), (other_correct, other_visits) = chosen, rejected
    here = probability_above(*rejected, *chosen)
    if correct < visits:
        assert probability_above(*rejected, correct + 1, visits) < here
    if other_correct < other_visits:
        assert probability_above(other_correct + 1, other_visits, *chosen) > here


def test_thousands_of_visits_stay_finite_and_clear():
    assert 0 < visit_smoothing(1600, 3000, 1400, 3000) < 1e-6
    assert visit_smoothing(1500, 3000, 1500, 3000) == MOST_SMOOTHING


def test_a_pair_takes_the_counts_of_the_siblings_with_which_its_chains_part(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    trunk = forest.think(tree, None, ThoughtKind.SUB_TASK, "plan", visits=7, value=4.0)
    good = forest.think(tree, trunk, ThoughtKind.THINKING, "good", visits=4, value=3.0)
    bad = forest.think(tree, trunk, ThoughtKind.THINKING, "bad", visits=3, value=1.0)
    forest.answer(tree, good, "7", correct=True, value=1.0)
    forest.answer(tree, bad, "8", correct=False)
    trees, thoughts = forest.frames()

    chains = extract_chains(trees, thoughts, encode)
    pairs = preference_pairs(chains, thoughts, forest.seeds(), encode, ["shortest"], CurationConfig())
    assert pairs["label_smoothing"].to_list() == [visit_smoothing(3, 4, 1, 3)]


@pytest.mark.parametrize("value", [0.5, 2.0, -1.0])
def test_a_value_that_counts_no_answers_is_named(forest, encode, value):
    tree = forest.tree("tree-1", "seed-1")
    forest.answer(tree, None, "7", correct=True, visits=1, value=value)
    forest.answer(tree, None, "8", correct=False)
    trees, thoughts = forest.frames()
    chains = extract_chains(trees, thoughts, encode)
    with pytest.raises(CurationError, match=r"tree-1/000: of its 1 answers"):
        preference_pairs(chains, thoughts, forest.seeds(), encode, ["shortest"], CurationConfig())
