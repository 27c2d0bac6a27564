import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.search.duplicates import SAMENESS, loose_text
from marco_dag.thoughts import Thought, ThoughtKind

THINKING = ThoughtKind.THINKING


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Count the letters.", "count  the\nletters"),
        ("Well, that is wrong!", "well that is wrong"),
        ("«Straße»", "strasse"),
        ("“So,” it said…", "so it said"),
        ("ΣΟΦΟΣ", "σοφος"),
        ("答案是三。", "答案是三"),
        ("The result is 12.", "the result is 12"),
        ("\u00a0two\u2003words ", "two words"),
    ],
)
def test_equal_words_are_the_same_whatever_case_space_and_marks(one: str, other: str) -> None:
    assert loose_text(one) == loose_text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-3", "3"),
        ("3+4", "3*4"),
        ("3, 4", "34"),
        ("3, 4", "3 4"),
        ("3.5", "35"),
        (".5", "5"),
        ("1:2", "12"),
        ("5!", "5"),
        ("n!", "n"),
        ("x²", "x2"),
        ("f'", "f"),
        ("(3+4)*2", "3+(4*2)"),
        ("50%", "50"),
        ("two words", "twowords"),
        ("a < b", "a > b"),
    ],
)
def test_what_counts_differs(one: str, other: str) -> None:
    assert loose_text(one) != loose_text(other)


@given(st.text(alphabet=st.characters(), max_size=40))
def test_the_same_again_is_the_same(text: str) -> None:
    assert loose_text(f" {text}\n\n") == loose_text(text)
    assert [c for c in loose_text(text) if c.isdigit() and c.isascii()] == [c for c in text if c in "0123456789"]


def test_kinds_are_never_merged_and_exact_means_exact() -> None:
    loose, exact = SAMENESS["loose"], SAMENESS["exact"]
    assert loose(Thought(THINKING, "So.")) == loose(Thought(THINKING, "so"))
    assert loose(Thought(THINKING, "So.")) != loose(Thought(ThoughtKind.HYPOTHESIS, "So."))
    assert exact(Thought(THINKING, "So.")) != exact(Thought(THINKING, "so"))


@pytest.mark.parametrize("text", ["." * 10**6, "a." * 500_000, "word. " * 170_000, "“" * 10**6, "." * 10**6 + "x"])
def test_a_million_characters_cost_little(text: str) -> None:
    start = time.perf_counter()
    loose_text(text)
    assert time.perf_counter() - start < 2
