"""Strict and loose judgement, what of a response is judged, and the verdict."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from marco_dag.tasks import TASKS, Reference
from marco_dag.tasks.ifeval import Judgement, judge
from marco_dag.tasks.ifeval.detection import LANGUAGES, _factory, detect_language, may_be_written_otherwise

BULLETS: Reference = {
    "instruction_id_list": ["detectable_format:number_bullet_lists", "punctuation:no_comma"],
    "kwargs": [{"num_bullets": 2}, {}],
}
QUOTED: Reference = {"instruction_id_list": ["startend:quotation"], "kwargs": [{}]}


def test_each_instruction_is_judged_and_the_first_that_is_broken_is_named():
    response = "Sure, here:\n* one\n* two"
    assert judge(response, BULLETS) == Judgement(
        strict=(True, False), loose=(True, True), reasons=(None, "expected no comma, found 1")
    )
    verdict = TASKS["ifeval"].verify(response, BULLETS)
    assert (verdict.outcome, verdict.reason) == ("wrong", "punctuation:no_comma: expected no comma, found 1")
    assert TASKS["ifeval"].verify("* one\n* two", BULLETS).outcome == "correct"


def test_loosely_the_first_line_the_last_or_both_may_be_too_much_and_asterisks_too():
    for response in (
        '"All."\nBye',
        'Hi\n"All."',
        'Hi\n "All." \nBye',
        '**"All."**',
        'Hi\n**"All."**\nBye',
        'Hi\n*"All."*',
    ):
        assert judge(response, QUOTED) == Judgement(
            strict=(False,), loose=(True,), reasons=(judge(response, QUOTED).reasons[0],)
        ), response
    for response in ('Hi\nHi\n"All."', '_"All."_', "Hi"):
        assert judge(response, QUOTED).loose == (False,), response


def test_two_instructions_may_be_followed_loosely_by_different_versions():
    both: Reference = {
        "instruction_id_list": ["startend:quotation", "startend:end_checker"],
        "kwargs": [{}, {"end_phrase": "Bye"}],
    }
    assert judge('"All."\nBye', both).loose == (True, True)
    assert judge('"All."\nBye', both).strict == (False, True)


@given(st.text(alphabet='"*\n aB,-'))
def test_what_is_followed_strictly_is_followed_loosely(response: str):
    for reference in (BULLETS, QUOTED):
        judgement = judge(response, reference)
        assert all(loose or not strict for strict, loose in zip(judgement.strict, judgement.loose, strict=True))
        assert [reason is None for reason in judgement.reasons] == list(judgement.strict)


def test_of_a_chain_the_last_answer_is_judged_and_of_free_text_all_of_it():
    assert judge('<thinking>a, b</thinking><answer>"All."</answer>', QUOTED).strict == (True,)
    assert judge('<answer>All.</answer><answer>The answer is: "All."</answer>', QUOTED).strict == (True,)
    assert judge('Hm.\n"All."', QUOTED).strict == (False,)
    assert judge('\n"All."\n', QUOTED).strict == (True,)
    for nothing in ("", " \n", '<answer>"All."', '"All."</thinking>', "<answer> </answer>"):
        assert judge(nothing, QUOTED) == Judgement((False,), (False,), ("nothing is stated",))
        assert TASKS["ifeval"].verify(nothing, QUOTED).outcome == "no_answer"


def test_the_codes_are_those_of_langdetect():
    assert sorted(LANGUAGES) == sorted(_factory().get_lang_list())


@given(st.text(alphabet=st.characters(max_codepoint=0x2FFF), max_size=60))
def test_without_a_character_of_their_scripts_no_text_is_chinese_japanese_or_hindi(text: str):
    if not may_be_written_otherwise(text):
        assert detect_language(text) not in ("zh-cn", "zh-tw", "ja", "hi")


def test_a_language_is_found_alike_in_any_thread_and_leaves_langdetects_own_factory_alone():
    import langdetect

    text = "bonjour hello hola ciao"
    found: list[str | None] = []
    before = langdetect.DetectorFactory.seed
    threads = [threading.Thread(target=lambda: found.append(detect_language(text))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({*found, detect_language(text)}) == 1
    assert langdetect.DetectorFactory.seed == before
