"""Counting in eight languages: IFEval counts all alike, Multi-IF counts Chinese, Japanese and Hindi their own way."""

import pytest

from marco_dag.tasks.ifeval import MULTI_IF_LANGUAGES, judge
from marco_dag.tasks.ifeval.counting import count_capital_words, count_cjk_words, count_sentences
from marco_dag.tasks.ifeval.detection import detect_language
from marco_dag.tasks.ifeval.text import Text

TEXTS = {
    "en": "The children play in the garden. The dog is asleep. Is it late?",
    "zh": "孩子们在花园里玩。狗睡着了！现在很晚了吗？",
    "hi": "बच्चे बगीचे में खेल रहे हैं। कुत्ता सो रहा है! क्या देर हो गई है?",
    "es": "Los niños juegan en el jardín. El perro está dormido. ¿Es tarde ya?",
    "fr": "Les enfants jouent dans le jardin. Le chien dort. Est-il déjà tard ?",
    "it": "I bambini giocano nel giardino. Il cane dorme. È già tardi adesso?",
    "pt": "As crianças brincam no jardim. O cachorro está dormindo. Já é muito tarde?",
    "ru": "Дети играют в саду. Собака уже спит. Сейчас уже поздно?",
}
"""Three sentences in each language of Multi-IF."""


def test_there_is_a_text_for_every_language():
    assert set(TEXTS) == set(MULTI_IF_LANGUAGES)


@pytest.mark.parametrize("language", TEXTS)
def test_three_sentences_are_three_in_every_language(language: str):
    text = Text(TEXTS[language], "multi_if")
    assert detect_language(text.text)[:2] == language
    assert text.sentences == 3
    for number, relation, follows in ((3, "at least", True), (4, "at least", False), (3, "less than", False)):
        reference = {
            "instruction_id_list": ["length_constraints:number_sentences"],
            "kwargs": [{"num_sentences": number, "relation": relation}],
            "language": language,
        }
        assert judge(text.text, reference).strict == (follows,)


@pytest.mark.parametrize(
    ("language", "words"), [("en", 13), ("zh", 18), ("es", 13), ("fr", 13), ("it", 12), ("pt", 13), ("ru", 10)]
)
def test_words_are_counted_as_each_language_writes_them(language: str, words: int):
    """Chinese: 8, 4 and 6 characters; elsewhere runs of letters, so that `Est-il` is two."""
    assert Text(TEXTS[language], "multi_if").words == words


def test_ifeval_counts_every_script_alike():
    assert Text(TEXTS["zh"]).sentences == 1
    assert Text(TEXTS["zh"]).words == 3
    assert Text(TEXTS["hi"]).sentences == 2


def test_hindi_words_fall_apart_at_vowel_signs_in_both_books():
    r"""`\w` holds no combining vowel signs: बच्चे is `बच`, `च`."""
    assert Text("बच्चे", "multi_if").words == Text("बच्चे").words == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("こんにちは、ジェイソンさん、Jason? Nice to meet you", 17),
        ("我有2只cats and dogs", 7),
        ("中,文.a-b", 3),
        ("한국어", 3),
    ],
)
def test_between_chinese_characters_words_of_other_scripts_are_counted_whole(text: str, words: int):
    assert count_cjk_words(text) == words


def test_chinese_sentences_end_with_marks_of_any_width_and_with_lines():
    text = Text("今天天气很好。我们去公园玩吧!好吗？\n好的\n\n走．", "multi_if")
    assert text.sentences == 5


@pytest.mark.parametrize(
    ("response", "ifeval", "multi_if"),
    [
        ('"好"', True, True),
        ("“好”", False, True),
        ("「好」", False, True),
        ("«да»", False, False),
        ('“好"', False, False),
    ],
)
def test_multi_if_knows_more_quotation_marks(response: str, ifeval: bool, multi_if: bool):
    reference = {"instruction_id_list": ["startend:quotation"], "kwargs": [{}]}
    assert judge(response, reference).strict == (ifeval,)
    assert judge(response, reference | {"language": "zh"}).strict == (multi_if,)


def test_the_languages_that_have_capitals_have_capital_words():
    assert count_capital_words("ДЕТИ играют В САДУ") == 3
    assert count_capital_words("L'ÉTÉ est là: ÇA VA") == 3
    assert count_capital_words("孩子们 बच्चे") == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("THE CEO's U.S. plan", 3),
        ("IT'S WE'LL DOGS' 'N", 6),
        ("GONNA WANNA GO GIMME", 7),
        ("A,B A:B 1,A (A)", 6),
        ("I am. A-B--C ...D", 4),
        ("\"YES\" ``NO'' don't", 2),
    ],
)
def test_capital_words_are_tokens_as_nltk_makes_them(text: str, words: int):
    """Counted by hand, token by token, from what NLTK's `word_tokenize` gives."""
    assert count_capital_words(text) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Ask Mr. Brown at 3 p.m. on Monday.", 1),
        ("It costs $3.50. Really", 2),
        ('He said "Go! Now!" and went.', 3),
        ("**Title**\n\n- one\n- two", 1),
        ("one. two. three.", 3),
        ("Well... maybe", 1),
        ("", 0),
        (" \n", 0),
    ],
)
def test_english_sentences_end_with_marks_alone(text: str, sentences: int):
    assert count_sentences(text) == sentences
