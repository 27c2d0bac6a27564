import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.evaluation import REPETITION_WORDS, reflections, repetition
from marco_dag.evaluation.measures import words


def test_words_are_tags_letter_runs_digit_runs_and_single_signs():
    assert words("<thinking>a12b;C>d so</thinking>") == [
        "<thinking>", "a", "12", "b", ";", "c", ">", "d", "so", "</thinking>",
    ]  # fmt: skip
    assert words("snake_case 再检查") == ["snake", "_", "case", "再", "检", "查"]


def test_repetition_is_the_share_of_grams_that_came_before():
    # a b c d a b c d: seven 2-grams (ab bc cd da ab bc cd), four of them distinct
    assert repetition("a b c d a b c d", size=2) == pytest.approx(3 / 7)


def test_a_chain_without_spaces_that_loops_is_seen():
    loop = "a1b2c3d4" * 50  # 400 words: 381 20-grams, 8 distinct
    assert repetition(loop) == pytest.approx(1 - 8 / 381)


def test_a_text_shorter_than_one_gram_repeats_nothing():
    assert repetition("wait " * (REPETITION_WORDS - 1)) == 0
    assert repetition("") == 0


def test_reflection_words_count_in_any_case_and_as_whole_words():
    assert reflections("Wait, let me check. Hmm! ALTERNATIVELY we  await the waiter; try\nagain") == 5


def test_a_reflection_block_counts_at_least_once():
    assert reflections("<thinking>a1</thinking><reflection>not 3 redo step 2</reflection>") == 1
    assert reflections("<reflection>Wait! Wait! wrong</reflection><reclarify>count b</reclarify>") == 3
    assert reflections("<reflection>cut off") == 1


def test_a_tag_is_no_reflection_word():
    assert reflections("<double-check>a1 ok</double-check>") == 0
    assert reflections("<double-check>a double-check</double-check>") == 1


@given(st.text(alphabet="ab <>/1再", max_size=200), st.integers(1, 5))
def test_repetition_is_a_share(text, size):
    assert 0 <= repetition(text, size) < 1


@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_never_reflects_less(text, more):
    assert reflections(text + "\n" + more) >= reflections(text)
