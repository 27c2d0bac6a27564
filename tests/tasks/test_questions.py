"""Generated questions: distinct, balanced, and never in both splits."""

import random
from collections import Counter

import pytest

from marco_dag.errors import TaskError
from marco_dag.identity import canonical_json
from marco_dag.tasks import (
    GENERATING_TASKS,
    TASKS,
    Question,
    generate_questions,
    get_generating_task,
    get_task,
    is_held_out,
)

SHARE = 0.25
CRAMMED = (
    "<<Title>> My answer is yes. Section 1 SECTION 2 Part 1 Part 2 Chapter 1 Chapter 2 Day 1 Day 2 [a] [b] [c] [d] [e] "
    + "*one* *two* *three* *four* "
    + "One lantern shines. " * 100
    + "P.P.S. That is ALL FOR NOW MY FRIEND."
)
"""Tries to follow as many instructions as one fixed text can."""
EVERY_TASK = pytest.mark.parametrize("name", GENERATING_TASKS)


@EVERY_TASK
def test_every_task_has_hundreds_of_held_out_questions_and_none_is_trained_on(name: str) -> None:
    held_out = generate_questions(GENERATING_TASKS[name], 400, split="held_out", share=SHARE, seed=0)
    train = generate_questions(GENERATING_TASKS[name], 1000, split="train", share=SHARE, seed=0)
    prompts = {question.prompt for question in held_out}
    assert len(prompts) == 400
    assert prompts.isdisjoint(question.prompt for question in train)
    assert all(is_held_out(prompt, SHARE) for prompt in prompts)


@EVERY_TASK
def test_the_same_seed_gives_the_same_questions_and_a_larger_count_begins_with_them(name: str) -> None:
    few = generate_questions(GENERATING_TASKS[name], 20, split="train", share=SHARE, seed=3)
    many = generate_questions(GENERATING_TASKS[name], 40, split="train", share=SHARE, seed=3)
    other = generate_questions(GENERATING_TASKS[name], 20, split="train", share=SHARE, seed=4)
    assert many[:20] == few
    assert other != few


@EVERY_TASK
def test_no_answer_is_right_for_a_third_of_the_questions(name: str) -> None:
    """A model that always says the same must not look able."""
    guesses = {
        "letters": [str(count) for count in range(7)],
        "arithmetic": [str(total) for total in range(20, 199)],
        "blocksworld": [f"{block}/{support}" for block in "ABCDE" for support in "ABCDET" if block != support],
        "instructions": ["bat bet", "TAB TEB TIB", "Mon Man"],
        "ifeval": ["My answer is yes.", "no", '"no"', '{"a": "b"}', CRAMMED],
    }
    rng = random.Random(0)
    questions = [GENERATING_TASKS[name].generate(rng) for _ in range(1500)]
    for guess in guesses[name]:
        correct = sum(_is_right(name, question, guess) for question in questions)
        assert correct / len(questions) < 0.35


def test_letter_counts_are_equally_likely() -> None:
    rng = random.Random(0)
    counts = Counter(_count(GENERATING_TASKS["letters"].generate(rng)) for _ in range(4000))
    assert sorted(counts) == [0, 1, 2, 3]
    assert all(abs(share / 4000 - 0.25) < 0.03 for share in counts.values())


@EVERY_TASK
def test_a_generated_reference_is_json_and_passes_the_check_for_users_references(name: str) -> None:
    rng = random.Random(0)
    for _ in range(50):
        question = GENERATING_TASKS[name].generate(rng)
        canonical_json(question.reference)
        GENERATING_TASKS[name].check_reference(question.reference)


def test_the_held_out_share_is_met_and_nested() -> None:
    prompts = [f"prompt {number}" for number in range(4000)]
    small = {prompt for prompt in prompts if is_held_out(prompt, 0.1)}
    large = {prompt for prompt in prompts if is_held_out(prompt, 0.25)}
    assert small < large
    assert abs(len(large) / len(prompts) - 0.25) < 0.03


def test_a_space_that_is_too_small_is_named_instead_of_searched_for_ever() -> None:
    with pytest.raises(TaskError, match=r"'arithmetic' has about \d+ distinct held_out questions.* 5000 are asked"):
        generate_questions(GENERATING_TASKS["arithmetic"], 5000, split="held_out", share=SHARE, seed=0)


def test_an_unknown_task_is_answered_with_the_known_ones() -> None:
    assert get_task("letters") is TASKS["letters"] is get_generating_task("letters")
    with pytest.raises(TaskError, match="'sums'; known: letters, arithmetic, blocksworld, instructions"):
        get_task("sums")
    with pytest.raises(TaskError, match="no task 'sums' makes questions; those that do: letters, arithmetic"):
        get_generating_task("sums")


def _is_right(name: str, question: Question, answer: str) -> bool:
    return GENERATING_TASKS[name].verify(f"<answer>{answer}</answer>", question.reference).outcome == "correct"


def _count(question: Question) -> int:
    return str(question.reference["word"]).count(str(question.reference["letter"]))
