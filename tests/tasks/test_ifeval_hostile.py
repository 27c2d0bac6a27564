"""Hostile responses: every kind of instruction gives its verdict in bounded time, whatever the text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.tasks import TASKS, Reference
from marco_dag.tasks.ifeval import RULES, judge

UNREACHABLE: dict[str, dict] = {
    "keywords:existence": {"keywords": ["a" * 199 + "b"]},
    "keywords:frequency": {"keyword": "a" * 199 + "b", "frequency": 1, "relation": "at least"},
    "keywords:forbidden_words": {"forbidden_words": ["a " * 99 + "b", "zz"]},
    "keywords:letter_frequency": {"letter": "ß", "let_frequency": 1_000_000, "let_relation": "at least"},
    "language:response_language": {"language": "fi"},
    "length_constraints:number_sentences": {"num_sentences": 1_000_000, "relation": "at least"},
    "length_constraints:number_paragraphs": {"num_paragraphs": 0},
    "length_constraints:number_words": {"num_words": 1_000_000, "relation": "at least"},
    "length_constraints:nth_paragraph_first_word": {"num_paragraphs": 9, "nth_paragraph": 9, "first_word": "two words"},
    "detectable_content:number_placeholders": {"num_placeholders": 1_000_000},
    "detectable_content:postscript": {"postscript_marker": "a" * 199 + "b"},
    "detectable_format:number_bullet_lists": {"num_bullets": 1_000_000},
    "detectable_format:constrained_response": {},
    "detectable_format:number_highlighted_sections": {"num_highlights": 1_000_000},
    "detectable_format:multiple_sections": {"section_spliter": "a" * 200, "num_sections": 1_000_000},
    "detectable_format:json_format": {},
    "detectable_format:title": {},
    "combination:two_responses": {},
    "combination:repeat_prompt": {"prompt_to_repeat": "a" * 99_999 + "b"},
    "startend:end_checker": {"end_phrase": "b" + "a" * 99_999},
    "startend:quotation": {},
    "change_case:capital_word_frequency": {"capital_frequency": 1_000_000, "capital_relation": "at least"},
    "change_case:english_capital": {},
    "change_case:english_lowercase": {},
    "punctuation:no_comma": {},
}
"""Instructions that hardly a text follows, so that each version of a response is tried."""

UNITS = (
    *("a", "a ", "\n*a\n", "*\n", "[", '{"a":', "<<>", "“", "'", "中。", "न। ", ". "),
    *("(a+)+$", "a@b ", "\u202eabc\u202c", "\u200b", "\x00", "\ud800"),
)


def reference(kinds: list[str], **more: str) -> Reference:
    return {"instruction_id_list": kinds, "kwargs": [UNREACHABLE[kind] for kind in kinds], **more}


def test_every_kind_is_tried() -> None:
    assert UNREACHABLE.keys() == RULES.keys()


@pytest.mark.parametrize("unit", UNITS)
def test_200_000_characters_cost_at_most_seconds(unit: str) -> None:
    """A dozen kinds at once, strictly and in all eight versions of the response."""
    response = f"x,\n{unit * (200_000 // len(unit))}\ny*"
    for asked in (reference([*RULES][::2]), reference([*RULES][1::2], language="zh")):
        start = time.process_time()
        judgement = judge(response, asked)
        assert time.process_time() - start < 2
        assert all(len(reason) < 1000 and reason.isprintable() for reason in judgement.reasons if reason)


@pytest.mark.parametrize("text", ['{"a":' * 10_000, "[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000])
def test_json_10_000_deep_is_no_json(text: str) -> None:
    asked = reference(["detectable_format:json_format"])
    assert judge(text, asked).strict == (False,)
    assert "JSON" in TASKS["ifeval"].verify(text, asked).reason


@given(st.text())
def test_any_text_is_judged_by_every_kind(response: str) -> None:
    for asked in (reference([*RULES]), reference([*RULES], language="hi")):
        judgement = judge(response, asked)
        assert len(judgement.strict) == len(judgement.loose) == len(judgement.reasons) == len(RULES)
        assert all(reason.isprintable() for reason in judgement.reasons if reason)
