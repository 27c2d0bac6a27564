"""References: the published files' pass and are judged; what cannot be checked is refused by name."""

import json

import pytest

from marco_dag.tasks import TASKS, Reference
from marco_dag.tasks.ifeval import RULES, judge
from tests.benchmark_samples import sample_file

TASK = TASKS["ifeval"]
RESPONSES = (
    "Sure! Here is what you asked for.\n\n* A point, with a comma\n* Another *highlight*\n\nP.S. That is ALL.",
    '```json\n{"title": "<<A title>>", "text": ["[name]", "[date]"]}\n```',
    "first answer in lower case without much else\n******\nsecond answer in lower case",
    "Section 1\nMy answer is yes.\n***\nSection 2\nМой ответ: да.",
    "",
)


def one(kind: str, **kwargs) -> Reference:
    return {"instruction_id_list": [kind], "kwargs": [kwargs]}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({}, "instruction_id_list: must be a list of 1 to 32 kinds"),
        ({"instruction_id_list": [], "kwargs": []}, "instruction_id_list: must be a list of 1 to 32 kinds"),
        ({"instruction_id_list": ["punctuation:no_comma"]}, "kwargs: must be a list of objects, one for each"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}, {}]}, "kwargs: must be a list of objects"),
        (
            {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [7]},
            "punctuation:no_comma: its kwargs must be an",
        ),
        ({"instruction_id_list": ["punctuation:no_comma"] * 33, "kwargs": [{}] * 33}, "a list of 1 to 32"),
        (one("punctuation:no_commas"), "instruction_id_list: unknown instruction 'punctuation:no_commas'; known: key"),
        ({"instruction_id_list": [["x"]], "kwargs": [{}]}, "unknown instruction"),
        (one("punctuation:no_comma", comma=1), "punctuation:no_comma: comma: unknown; known: none"),
        (
            one("detectable_format:number_bullet_lists"),
            "number_bullet_lists: num_bullets: missing; must be a whole num",
        ),
        (one("detectable_format:number_bullet_lists", num_bullets=None), "num_bullets: missing"),
        (one("detectable_format:number_bullet_lists", num_bullets=-1), "num_bullets: must be a whole number from 0"),
        (one("detectable_format:number_bullet_lists", num_bullets=True), "num_bullets: must be a whole number"),
        (one("detectable_format:number_bullet_lists", num_bullets="2"), "num_bullets: must be a whole number"),
        (one("length_constraints:number_words", num_words=3, relation="at most"), "relation: must be .at least. or"),
        (one("length_constraints:number_words", num_words=3), "number_words: relation: missing"),
        (
            one("length_constraints:number_words", num_words=0, relation="less than"),
            "num_words: nothing is less than 0",
        ),
        (
            one("length_constraints:nth_paragraph_first_word", num_paragraphs=2, nth_paragraph=3, first_word="a"),
            "nth_paragraph: there is no paragraph 3 of 2",
        ),
        (
            one("length_constraints:nth_paragraph_first_word", num_paragraphs=2, nth_paragraph=0, first_word="a"),
            "nth_paragraph: must be a whole number of at least 1",
        ),
        (one("keywords:existence", keywords=[]), "keywords: must be a list of 1 to 100 texts"),
        (one("keywords:existence", keywords="river"), "keywords: must be a list"),
        (one("keywords:existence", keywords=["a" * 201]), "keywords: must be a list"),
        (one("keywords:forbidden_words", forbidden_words=["a", " "]), "forbidden_words: must be a list"),
        (
            one("keywords:frequency", keyword="", frequency=1, relation="at least"),
            "keyword: must be a text of 1 to 200",
        ),
        (
            one("keywords:letter_frequency", letter="ab", let_frequency=1, let_relation="at least"),
            "letter: must be one",
        ),
        (one("language:response_language", language="english"), "language: must be a language's code"),
        (one("language:response_language", language=["en"]), "language: must be a language's code"),
        (one("combination:repeat_prompt", prompt_to_repeat=" "), "prompt_to_repeat: must be a text"),
        ({**one("punctuation:no_comma"), "language": "de"}, "language: must be one of en, zh, hi, es, fr, it, pt, ru"),
    ],
)
def test_a_reference_that_cannot_be_checked_is_refused_by_name(reference: Reference, message: str):
    with pytest.raises(ValueError, match=message):
        TASK.check_reference(reference)


def test_nulls_are_as_if_left_out():
    names = ("keywords", "num_words", "relation", "language", "letter", "first_word", "prompt_to_repeat")
    TASK.check_reference(one("punctuation:no_comma", **dict.fromkeys(names)) | {"language": None})
    TASK.check_reference(
        one("length_constraints:number_words", **dict.fromkeys(names) | {"num_words": 3, "relation": "at least"})
    )


@pytest.mark.parametrize("name", ["ifeval/ifeval.jsonl", "multi_if/multi_if_english.jsonl"])
def test_every_published_reference_passes_and_is_judged(name: str):
    kinds = set()
    for line in sample_file(name).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for turn in row.get("turns", [row])[-1:]:
            reference = {key: turn[key] for key in ("instruction_id_list", "kwargs")}
            TASK.check_reference(reference)
            kinds.update(reference["instruction_id_list"])
            response = RESPONSES[sum(map(ord, turn["prompt"])) % len(RESPONSES)]
            judgement = judge(response, reference)
            assert len(judgement.strict) == len(judgement.loose) == len(reference["kwargs"])
            assert (TASK.verify(response, reference).outcome == "correct") == all(judgement.strict)
    assert kinds >= set(RULES) - {"detectable_format:constrained_response"}
