import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.evaluation import REPEATS, repeats
from marco_dag.evaluation.repeats import majority_is_correct, solved_at


def test_solved_at_by_hand():
    # 2 of 5 are correct; of the C(5, 2) = 10 pairs, C(3, 2) = 3 hold none of them
    assert solved_at(2, 5, 2) == pytest.approx(0.7)
    assert solved_at(1, 5, 2) == pytest.approx(0.4)
    assert solved_at(5, 5, 1) == 1
    assert solved_at(5, 5, 0) == 0


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_solved_at_is_the_mean_over_all_choices_of_n_samples(correct, data):
    n = data.draw(st.integers(1, len(correct)))
    choices = list(itertools.combinations(correct, n))
    assert solved_at(n, len(correct), sum(correct)) == pytest.approx(sum(map(any, choices)) / len(choices))


def test_more_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="Test@4 needs at least 4 samples, there are 3"):
        solved_at(4, 3, 1)


@pytest.mark.parametrize(
    ("answers", "right", "correct"),
    [
        (["a", "b", "b"], "b", True),
        (["a", "b", "b"], "a", False),
        (["b", "a", "a", "b"], "b", True),  # a tie: the first counts
        (["b", "a", "a", "b"], "a", False),
        ([None, None, "a"], "a", True),  # no answer, no vote
        ([None, None], None, False),
    ],
)
def test_the_majority(answers, right, correct):
    assert majority_is_correct(answers, [a is not None and a == right for a in answers]) == correct


def test_a_row_for_each_power_of_two_and_for_all_samples(scores_of):
    outcomes = {"q1": ["correct", "wrong", "wrong"], "q2": ["correct"] * 3, "q3": ["no_answer", "no_answer", "correct"]}
    table = repeats(scores_of("sft", "sampled", outcomes), 0.95)
    assert table.schema == REPEATS
    assert table["n"].to_list() == [1, 2, 3]
    assert table["questions"].to_list() == [3] * 3
    assert table["test_at_n"].to_list() == pytest.approx([(1 / 3 + 1 + 1 / 3) / 3, (2 / 3 + 1 + 2 / 3) / 3, 1.0])
    # the majority of the first n: q1 right, a tie won by the first, wrong; q3 none, none, right
    assert table["majority"].to_list() == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    for row in table.iter_rows(named=True):
        assert row["test_at_n_low"] <= row["test_at_n"] <= row["test_at_n_high"]
        assert row["majority_low"] <= row["majority"] <= row["majority_high"]


def test_one_sample_repeats_nothing_and_greedy_answers_are_left_out(scores_of):
    assert repeats(scores_of("sft", "sampled", {"q1": ["correct"]}), 0.95).is_empty()
    assert repeats(scores_of("sft", "greedy", {"q1": ["correct", "wrong"]}), 0.95).is_empty()
