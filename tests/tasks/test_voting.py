"""Answers as votes: no reference, the task's own equivalence."""

import pytest

from marco_dag.tasks import TASKS
from marco_dag.tasks.voting import Blind, elect, find_same, stated_answer


@pytest.mark.parametrize("name", TASKS)
def test_every_task_reads_a_chain_s_answer_without_its_reference(name):
    chain = "<thinking>so</thinking><answer>The answer is: 7</answer>"
    assert stated_answer(TASKS[name], chain) == "7"
    assert stated_answer(TASKS[name], "<thinking>so</thinking><answer>7") is None
    assert stated_answer(Blind(TASKS[name]), chain) == "7"


@pytest.mark.parametrize(
    ("task", "first", "second", "same"),
    [
        ("arithmetic", "42", "+42.", True),
        ("arithmetic", "42", "24", False),
        ("letters", "none", "0", False),
        ("blocksworld", "B/T  A/D", "B/T A/D", True),
        ("blocksworld", "A/D B/T", "B/T A/D", False),
        ("instructions", "bob bib", "Bob bib", False),
        ("math", r"\frac{1}{2}", "0.5", True),
        ("math", "(1, 2]", "(1, 2)", False),
        ("ifeval", "one  poem", "one poem", True),
        ("planbench", "(pick-up a)", "(pick-up b)", False),
    ],
)
def test_answers_are_the_same_as_their_task_sees_it(task, first, second, same):
    assert find_same(TASKS[task], second, ["something else", first]) == (1 if same else None)
    assert find_same(Blind(TASKS[task]), second, ["something else", first]) == (1 if same else None)


def test_the_most_votes_win_and_of_equals_the_first():
    arithmetic = TASKS["arithmetic"]
    assert elect(arithmetic, ["1", "2", "+2", None, None, None]) == 1
    assert elect(arithmetic, ["1", "2", "+2", "01"]) == 0
    assert elect(arithmetic, [None, None]) is None
    assert elect(arithmetic, []) is None


def test_votes_can_be_weighed():
    assert elect(TASKS["arithmetic"], ["1", "2", "2"], [0.9, 0.4, 0.4]) == 0
    assert elect(TASKS["arithmetic"], ["1", "2", "2"], [0.7, 0.4, 0.4]) == 1


def test_a_blind_task_takes_no_reference_and_checks_nothing():
    blind = Blind(TASKS["arithmetic"])
    assert blind.name == "arithmetic"
    blind.check_reference({})
    with pytest.raises(ValueError, match="must be given none"):
        blind.check_reference({"answer": 42})
    assert blind.verify("<answer>42</answer>", {"answer": 42}).outcome == "no_answer"
