"""Worked solutions: right where no mistake was planted, wrong where one was."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.miniature.worked import METHODS
from marco_dag.tasks import TASKS
from marco_dag.thoughts import holds_tag

EVERY_TASK = pytest.mark.parametrize("name", METHODS)


def test_what_can_be_worked_is_a_registered_task() -> None:
    assert METHODS.keys() <= TASKS.keys()


@EVERY_TASK
@given(seed=st.integers(0, 2**31))
def test_without_a_mistake_the_answer_is_right(name: str, seed: int) -> None:
    rng = random.Random(seed)
    question = TASKS[name].generate(rng)
    worked = METHODS[name].work(question, rng, False)
    assert worked.mistake is None
    assert TASKS[name].verify(f"<answer>{worked.answer}</answer>", question.reference).outcome == "correct"
    assert not holds_tag(worked.text + METHODS[name].restate(question))


@EVERY_TASK
@given(seed=st.integers(0, 2**31))
def test_a_planted_mistake_makes_the_answer_wrong(name: str, seed: int) -> None:
    rng = random.Random(seed)
    question = TASKS[name].generate(rng)
    worked = METHODS[name].work(question, rng, True)
    assert worked.mistake is not None
    assert worked.mistake >= 1
    assert TASKS[name].verify(f"<answer>{worked.answer}</answer>", question.reference).outcome == "wrong"


@EVERY_TASK
@given(seed=st.integers(0, 2**31))
def test_right_attempts_agree_where_the_method_says_so(name: str, seed: int) -> None:
    rng = random.Random(seed)
    question = TASKS[name].generate(rng)
    if METHODS[name].is_determined:
        assert METHODS[name].work(question, rng, False) == METHODS[name].work(question, rng, False)
