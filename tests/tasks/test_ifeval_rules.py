"""Every kind of instruction, by hand-written texts that follow it and that do not; edge cases as published."""

import pytest

from marco_dag.tasks.ifeval import RULES, judge

ENGLISH = "The weather is very nice today and all the children are playing in the garden behind the house."
GERMAN = "Das Wetter ist heute sehr schön und alle Kinder spielen im Garten hinter dem Haus."

FOLLOWED: list[tuple[str, dict, str]] = [
    ("keywords:existence", {"keywords": ["river", "Mona Lisa"]}, "RIVERS flow past the mona lisa"),
    ("keywords:existence", {"keywords": ["c++ (new)"]}, "We wrote it in C++ (new)."),
    ("keywords:frequency", {"keyword": " key ", "frequency": 3, "relation": "at least"}, "key Keyboard KEYS"),
    ("keywords:frequency", {"keyword": "key", "frequency": 2, "relation": "less than"}, "one key"),
    ("keywords:frequency", {"keyword": "aa", "frequency": 2, "relation": "less than"}, "aaa"),
    ("keywords:forbidden_words", {"forbidden_words": ["gene", "form"]}, "A generative transformer"),
    ("keywords:forbidden_words", {"forbidden_words": ["house"]}, "house_1 and warehouses"),
    ("keywords:letter_frequency", {"letter": "T", "let_frequency": 4, "let_relation": "at least"}, "Two Tall trees, t"),
    ("keywords:letter_frequency", {"letter": "a", "let_frequency": 1, "let_relation": "less than"}, "no such letter"),
    ("keywords:letter_frequency", {"letter": "#", "let_frequency": 2, "let_relation": "at least"}, "#one #two"),
    ("language:response_language", {"language": "de"}, GERMAN),
    ("language:response_language", {"language": "zh"}, "今天天气很好，孩子们都在房子后面的花园里玩。"),
    ("language:response_language", {"language": "fr"}, "12345 !!!"),
    ("length_constraints:number_sentences", {"num_sentences": 3, "relation": "at least"}, "One. Two! Is it three?"),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": "less than"},
        "Mr. Brown met Mrs. Smith... or not. He won.",
    ),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "less than"}, "A title\n\nA sentence"),
    ("length_constraints:number_words", {"num_words": 4, "relation": "at least"}, "don't say it"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "twenty_one ... 22"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 3}, "one\n***\ntwo *** three"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "***\none\n***\ntwo\n***"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "one\n\nstill one"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "Really"},
        'Wow.\n\n"Really?! Yes."\n\nGood.',
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "one"},
        "One\nand more\n\nTwo\n\n",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "Dear [name], I live at [].\n[open"),
    ("detectable_content:number_placeholders", {"num_placeholders": 1}, "[[nested]]"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Text. (no new line) p. s. Bye"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Text.\np.p.s what if"),
    ("detectable_content:postscript", {"postscript_marker": "PS:"}, "Text.\nps: bye"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 3}, "Here:\n* one\n  *two\n- three\n** bold **"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "A\n***\nB\n***\n* only one"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "*\n* its text"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "---\n-1 degree"),
    ("detectable_format:constrained_response", {}, "\n My answer is no.\n"),
    ("detectable_format:constrained_response", {}, "Well. My answer is maybe. Who knows?"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*one* and **two**"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* b *c*"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        "Section 1\nText\nSection2\nText",
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": " Day ", "num_sections": 1},
        "On Day 1 and Day 2 it rained",
    ),
    ("detectable_format:json_format", {}, '{"a": [1, 2, {"b": null}]}'),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```'),
    ("detectable_format:json_format", {}, '```\n"a string"```'),
    ("detectable_format:title", {}, "<<Song of Joy>>\nLa la la."),
    ("detectable_format:title", {}, "Is the end fine? <<yes>>"),
    ("combination:two_responses", {}, "One.\n******\nTwo."),
    ("combination:two_responses", {}, "******\nOne.\n******\nTwo.\n******"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Write a poem. "}, "\n WRITE a poem. Here it is."),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Why?"}, "why?"),
    ("startend:end_checker", {"end_phrase": " Any more questions?"}, '"It is 7. any MORE questions?"\n'),
    ("startend:end_checker", {"end_phrase": "the end."}, "This is not quite the end."),
    ("startend:quotation", {}, ' "All of it." '),
    ("startend:quotation", {}, '"One." and "two."'),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 3, "capital_relation": "at least"},
        "HERE there are THREE FUlly CAPITAL words.",
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "less than"},
        "AN-HYPHEN Is One",
    ),
    ("change_case:capital_word_frequency", {"capital_frequency": 4, "capital_relation": "at least"}, "DON'T, CANNOT"),
    (
        "change_case:english_capital",
        {},
        "THIS IS AN ENGLISH SENTENCE. EVERY LETTER IS A CAPITAL LETTER!!! AMAZING.",
    ),
    ("change_case:english_capital", {}, "THE CHILDREN WERE IN THE GARDEN WITH THE DOG, AND THEN THEY WENT HOME."),
    ("change_case:english_lowercase", {}, ENGLISH.lower()),
    ("change_case:english_lowercase", {}, "there were 3 dogs in the house, and 1 of them was brown."),
    ("punctuation:no_comma", {}, "Every sentence is short. No comma; none."),
    ("punctuation:no_comma", {}, "你好，世界、再见"),
]

BROKEN: list[tuple[str, dict, str, str]] = [
    ("keywords:existence", {"keywords": ["river", "Mona Lisa"]}, "By the river", "'Mona Lisa' is missing"),
    ("keywords:existence", {"keywords": ["a.c"]}, "abc", "'a.c' is missing"),
    (
        "keywords:frequency",
        {"keyword": "key", "frequency": 3, "relation": "at least"},
        "key Key",
        "expected at least 3 times 'key', found 2",
    ),
    ("keywords:frequency", {"keyword": "key", "frequency": 2, "relation": "less than"}, "key KEY", "found 2"),
    ("keywords:forbidden_words", {"forbidden_words": ["no", "POWER"]}, "came to power.", "'POWER' is forbidden"),
    ("keywords:forbidden_words", {"forbidden_words": ["ice cream"]}, "an Ice Cream-like thing", "'ice cream' is forb"),
    (
        "keywords:letter_frequency",
        {"letter": "p", "let_frequency": 4, "let_relation": "at least"},
        "Peter paid",
        "expected at least 4 times 'p', found 2",
    ),
    ("keywords:letter_frequency", {"letter": "a", "let_frequency": 2, "let_relation": "less than"}, "aA", "found 2"),
    ("language:response_language", {"language": "de"}, ENGLISH, "expected language de, found en"),
    ("language:response_language", {"language": "en"}, GERMAN, "expected language en, found de"),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 4, "relation": "at least"},
        "He paid $3.50 today. Why? Who knows...",
        "expected at least 4 sentences, found 3",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 4, "relation": "less than"},
        'it rained, yes. "it poured!" we stayed (or so i think). did you?',
        "found 4",
    ),
    (
        "length_constraints:number_words",
        {"num_words": 3, "relation": "at least"},
        "two_words - here",
        "expected at least 3 words, found 2",
    ),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "don't 1", "found 3"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 3}, "a\n***\nb", "expected 3 paragraphs, found 2"),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        "a\n***\n***\nb",
        "between two dividers *** is empty",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n\nb", "found 1"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "I"},
        "one\n\nfail two",
        "expected paragraph 2 to start with 'I', found 'fail'",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "I"},
        "one\n\nI two",
        "expected 3 paragraphs, found 2",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "two"},
        "one\n\n\n\ntwo",
        "paragraph 2 is empty",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 1, "nth_paragraph": 1, "first_word": "once upon"},
        "Once upon a time",
        "found 'Once'",
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 3},
        "[a] [b]",
        "expected at least 3 placeholders, found 2",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 1}, "[a\nb]", "found 0"),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "PS bye", "no postscript 'P.S.' was found"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "P.S. bye", "no postscript 'P.P.S'"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one", "expected 2 bullets, found 1"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "a * b\n*", "found 0"),
    ("detectable_format:constrained_response", {}, "my answer is yes.", "none of My answer is yes., My answer is no."),
    ("detectable_format:constrained_response", {}, "My answer is yes!", "none of"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}, "** ** and **", "sections, found 0"),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*one* and *two\nthree*", "found 1"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        "Section 1\nSECTION 2\nSection X",
        "expected at least 2 sections 'Section', found 1",
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Day.", "num_sections": 1},
        "Days 1",
        "found 0",
    ),
    ("detectable_format:json_format", {}, 'Here: {"a": 1}', "not JSON: Expecting value at character 1"),
    ("detectable_format:json_format", {}, '```js\n{"a": 1}\n```', "not JSON"),
    ("detectable_format:json_format", {}, "9" * 5000, "a number is too long"),
    ("detectable_format:title", {}, "<< >>\nNo title.", "no title"),
    ("detectable_format:title", {}, "<<Two\nlines>>", "no title"),
    ("detectable_format:title", {}, "<<>>>>", "no title"),
    ("combination:two_responses", {}, "One.\n******\nOne.", "the two responses are the same"),
    ("combination:two_responses", {}, "One.\n******\nTwo.\n******\nThree.", "expected 2 responses"),
    ("combination:two_responses", {}, "One.\n******\n******\nTwo.", "nothing stands between"),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Write a poem."},
        "Sure! Write a poem.",
        "found 'Sure! Write a poem.'",
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": "Write a poem."},
        "Write  a poem.",
        "expected the request first",
    ),
    (
        "startend:end_checker",
        {"end_phrase": "The end."},
        "The end. Bye",
        "expected 'the end.' last, found 'the end. bye'",
    ),
    ("startend:end_checker", {"end_phrase": "The end."}, "The end", "expected 'the end.' last"),
    ("startend:quotation", {}, '"All of it." But', "found '\"' and 't'"),
    ("startend:quotation", {}, '"', "expected quotation marks"),
    ("startend:quotation", {}, "“All of it.”", "expected quotation marks"),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 4, "capital_relation": "less than"},
        "THERE are Four FULLY CAPITAL WORDS.",
        "expected less than 4 words in capitals, found 4",
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 1, "capital_relation": "at least"},
        "1,000 Is",
        "found 0",
    ),
    ("change_case:english_capital", {}, "Every Word Is Capitalized.", "not all letters are capitals"),
    ("change_case:english_capital", {}, GERMAN.upper(), "expected English, found language"),
    ("change_case:english_capital", {}, "123", "not all letters are capitals"),
    ("change_case:english_lowercase", {}, "Almost every letter is lowercase.", "not all letters are in lower case"),
    ("change_case:english_lowercase", {}, GERMAN.lower(), "expected English, found language de"),
    ("punctuation:no_comma", {}, "One, two, three", "expected no comma, found 2"),
    ("punctuation:no_comma", {}, "1,000", "found 1"),
]


@pytest.mark.parametrize(("kind", "kwargs", "text"), FOLLOWED)
def test_followed(kind: str, kwargs: dict, text: str) -> None:
    judgement = judge(text, {"instruction_id_list": [kind], "kwargs": [kwargs]})
    assert judgement.reasons == (None,)
    assert judgement.strict == judgement.loose == (True,)


@pytest.mark.parametrize(("kind", "kwargs", "text", "reason"), BROKEN)
def test_broken_for_a_stated_reason(kind: str, kwargs: dict, text: str, reason: str) -> None:
    judgement = judge(text, {"instruction_id_list": [kind], "kwargs": [kwargs]})
    assert judgement.strict == (False,)
    assert reason in str(judgement.reasons[0])
    assert str(judgement.reasons[0]).isprintable()


@pytest.mark.parametrize("kind", RULES)
def test_every_kind_has_two_texts_that_follow_it_and_two_that_do_not(kind: str) -> None:
    assert sum(case[0] == kind for case in FOLLOWED) >= 2
    assert sum(case[0] == kind for case in BROKEN) >= 2


def test_the_kinds_are_the_25_that_are_published() -> None:
    families = [kind.split(":")[0] for kind in RULES]
    assert {family: families.count(family) for family in families} == {
        "keywords": 4,
        "language": 1,
        "length_constraints": 4,
        "detectable_content": 2,
        "detectable_format": 6,
        "combination": 2,
        "startend": 2,
        "change_case": 3,
        "punctuation": 1,
    }


@pytest.mark.parametrize("kind", RULES)
def test_a_blank_response_follows_nothing(kind: str) -> None:
    kwargs = next(case[1] for case in FOLLOWED if case[0] == kind)
    judgement = judge(" \n\t", {"instruction_id_list": [kind], "kwargs": [kwargs]})
    assert (judgement.strict, judgement.loose, judgement.reasons) == ((False,), (False,), ("nothing is stated",))
