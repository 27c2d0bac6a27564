"""Composed requests: instructions that go together, in words that say what is checked."""

import random
from collections import Counter
from itertools import combinations

import pytest

from marco_dag.tasks import GENERATING_TASKS, Question
from marco_dag.tasks.ifeval import RULES, judge
from marco_dag.tasks.ifeval.recipes import RECIPES
from marco_dag.tasks.ifeval.subjects import FORMS, QUESTIONS, TOPICS

TASK = GENERATING_TASKS["ifeval"]
EXCLUSIVE = [
    ("change_case:english_capital", "change_case:english_lowercase"),
    ("change_case:english_capital", "language:response_language"),
    ("change_case:capital_word_frequency", "change_case:english_lowercase"),
    ("combination:repeat_prompt", "keywords:forbidden_words"),
    ("combination:repeat_prompt", "punctuation:no_comma"),
    ("combination:repeat_prompt", "startend:quotation"),
    ("combination:two_responses", "detectable_format:json_format"),
    ("detectable_format:json_format", "punctuation:no_comma"),
    ("detectable_format:json_format", "startend:end_checker"),
    ("detectable_format:multiple_sections", "change_case:english_lowercase"),
    ("detectable_format:constrained_response", "change_case:english_capital"),
    ("language:response_language", "keywords:existence"),
    ("length_constraints:number_paragraphs", "length_constraints:nth_paragraph_first_word"),
    ("length_constraints:number_sentences", "length_constraints:number_words"),
]


def draw(count: int) -> list[Question]:
    rng = random.Random(0)
    return [TASK.generate(rng) for _ in range(count)]


def kinds_of(question: Question) -> list[str]:
    kinds = question.reference["instruction_id_list"]
    assert isinstance(kinds, list)
    return [str(kind) for kind in kinds]


def test_every_kind_is_composed_alone_and_with_others() -> None:
    assert RECIPES.keys() == RULES.keys()
    alone, together = Counter(), Counter()
    for question in draw(2000):
        (alone if len(kinds_of(question)) == 1 else together).update(kinds_of(question))
    assert alone.keys() == together.keys() == RULES.keys()


@pytest.mark.parametrize("pair", EXCLUSIVE)
def test_what_no_response_can_follow_together_is_never_asked_together(pair: tuple[str, str]) -> None:
    assert not RECIPES[pair[0]].goes_with(RECIPES[pair[1]])
    assert not RECIPES[pair[1]].goes_with(RECIPES[pair[0]])


def test_composed_instructions_differ_go_together_and_pass_the_check() -> None:
    for question in draw(500):
        TASK.check_reference(question.reference)
        assert 1 <= len(kinds_of(question)) <= 3
        for one, other in combinations(kinds_of(question), 2):
            assert one != other
            assert RECIPES[one].goes_with(RECIPES[other])


def test_a_prompt_opens_with_its_subject_and_states_every_value() -> None:
    for question in draw(500):
        kinds, kwargs = kinds_of(question), question.reference["kwargs"]
        assert isinstance(kwargs, list)
        forms = QUESTIONS if "detectable_format:constrained_response" in kinds else FORMS
        assert any(question.prompt.startswith(form.format(topic=topic)) for form in forms for topic in TOPICS)
        assert "{" not in question.prompt.replace("<<", "")
        for given in kwargs:
            assert isinstance(given, dict)
            for name, value in given.items():
                values = value if isinstance(value, list) else [value]
                assert name == "language" or all(str(one) in question.prompt for one in values)


def test_a_request_that_is_to_be_repeated_is_all_that_stands_before() -> None:
    repeating = [question for question in draw(1000) if "combination:repeat_prompt" in kinds_of(question)]
    assert repeating
    for question in repeating:
        kwargs = question.reference["kwargs"]
        assert isinstance(kwargs, list)
        assert isinstance(kwargs[-1], dict)
        request = str(kwargs[-1]["prompt_to_repeat"])
        assert question.prompt.startswith(request + " ")
        assert judge(request + "\nAnd here it is.", question.reference).strict[-1]
