"""How each kind of instruction is drawn and worded in a composed request, and what it needs of the response.

Two instructions may stand in one request where neither takes what the other takes or needs.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from marco_dag.identity import JsonValue
from marco_dag.tasks.ifeval.detectable_format import OPTIONS

Kwargs: TypeAlias = dict[str, JsonValue]

_NOUNS = (
    *("lantern", "compass", "harvest", "thread", "mirror", "ladder", "pepper", "shadow", "whistle", "blanket"),
    *("marble", "feather", "engine", "kettle", "ribbon", "signal", "anchor", "button", "candle", "pebble"),
    *("ticket", "voyage", "willow", "copper", "meadow", "hammer", "cellar", "barrel", "saddle", "needle"),
)
_COMMON_WORDS = (
    *("very", "also", "because", "however", "great", "many", "people", "time", "good", "always"),
    *("important", "really", "beautiful", "little", "never", "often", "perfect", "simple", "wonderful", "amazing"),
)
_OPENERS = ("meanwhile", "today", "yet", "suddenly", "perhaps", "later", "instead", "nobody", "slowly", "once")
_ENDINGS = (
    *("That is all for now.", "And nobody ever asked why.", "What would you have done?", "Thank you for reading."),
    *("So ends the story.", "Tell me what you think.", "Until next time!", "The rest is up to you."),
)
_SECTION_MARKS = ("Section", "SECTION", "Part", "Chapter", "Day")
_FREQUENT_LETTERS = "aeionrst"
_RARE_LETTERS = "jqxz"
_LANGUAGES = {
    "fr": "French",
    "de": "German",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "ru": "Russian",
    "hi": "Hindi",
    "ja": "Japanese",
    "ko": "Korean",
    "pl": "Polish",
    "nl": "Dutch",
    "tr": "Turkish",
    "fi": "Finnish",
    "sv": "Swedish",
    "vi": "Vietnamese",
    "ar": "Arabic",
    "uk": "Ukrainian",
    "sw": "Swahili",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One kind of instruction in a composed request."""

    phrasings: Sequence[str]
    """Ways to word it: formats that its kwargs fill in."""
    draw: Callable[[random.Random], Kwargs] = field(default=lambda _: {})
    """Draws its kwargs."""
    takes: frozenset[str] = frozenset()
    """Sides of the response that it alone may rule."""
    needs: frozenset[str] = frozenset()
    """Sides of the response that no other instruction may rule."""

    def goes_with(self, other: "Recipe") -> bool:
        """Whether one response can follow both."""
        return not (self.takes & (other.takes | other.needs) or other.takes & self.needs)

    def word(self, rng: random.Random, kwargs: Kwargs) -> str:
        """The instruction as the request states it."""
        return rng.choice(self.phrasings).format(**{name: _worded(value) for name, value in kwargs.items()})


def _of(*sides: str) -> frozenset[str]:
    return frozenset(sides)


def _draw_existence(rng: random.Random) -> Kwargs:
    return {"keywords": [*rng.sample(_NOUNS[:20], rng.choice((1, 2, 3)))]}


def _draw_frequency(rng: random.Random) -> Kwargs:
    if rng.random() < 0.5:
        return {"keyword": rng.choice(_NOUNS[20:]), "frequency": rng.choice((2, 3, 4, 5)), "relation": "at least"}
    return {"keyword": rng.choice(_COMMON_WORDS[:10]), "frequency": rng.choice((2, 3, 4)), "relation": "less than"}


def _draw_letter_frequency(rng: random.Random) -> Kwargs:
    if rng.random() < 0.5:
        letter, frequency, relation = rng.choice(_FREQUENT_LETTERS), rng.choice((10, 15, 20)), "at least"
    else:
        letter, frequency, relation = rng.choice(_RARE_LETTERS), rng.choice((6, 8, 10)), "less than"
    return {"letter": letter, "let_frequency": frequency, "let_relation": relation}


def _draw_number_words(rng: random.Random) -> Kwargs:
    if rng.random() < 0.5:
        return {"num_words": rng.choice((50, 80, 100, 150, 200, 250, 300)), "relation": "at least"}
    return {"num_words": rng.choice((100, 120, 150, 200, 250)), "relation": "less than"}


def _draw_number_sentences(rng: random.Random) -> Kwargs:
    if rng.random() < 0.5:
        return {"num_sentences": rng.choice((4, 5, 6, 8, 10, 12, 15)), "relation": "at least"}
    return {"num_sentences": rng.choice((6, 7, 8, 10, 12)), "relation": "less than"}


def _draw_nth_paragraph(rng: random.Random) -> Kwargs:
    paragraphs = rng.choice((2, 3, 4, 5))
    nth = rng.randint(1, paragraphs)
    return {"num_paragraphs": paragraphs, "nth_paragraph": nth, "first_word": rng.choice(_OPENERS)}


def _draw_capital_words(rng: random.Random) -> Kwargs:
    if rng.random() < 0.5:
        return {"capital_frequency": rng.choice((2, 3, 4, 5, 6)), "capital_relation": "at least"}
    return {"capital_frequency": rng.choice((4, 5, 6)), "capital_relation": "less than"}


RECIPES: Mapping[str, Recipe] = {
    "keywords:existence": Recipe(
        ("Use the words {keywords}.", "The words {keywords} must appear.", "Include these keywords: {keywords}."),
        _draw_existence,
        needs=_of("english"),
    ),
    "keywords:frequency": Recipe(
        (
            "The word {keyword} should appear {relation} {frequency} times.",
            "Use the word {keyword} {relation} {frequency} times.",
            "Let {keyword} occur {relation} {frequency} times.",
        ),
        _draw_frequency,
        needs=_of("english", "wording"),
    ),
    "keywords:forbidden_words": Recipe(
        (
            "Do not use the words {forbidden_words}.",
            "Avoid these words: {forbidden_words}.",
            "The words {forbidden_words} are not allowed.",
        ),
        lambda rng: {"forbidden_words": [*rng.sample(_COMMON_WORDS[10:], rng.choice((2, 3, 4)))]},
        needs=_of("english", "wording"),
    ),
    "keywords:letter_frequency": Recipe(
        (
            "The letter {letter} should appear {let_relation} {let_frequency} times.",
            "Use the letter {letter} {let_relation} {let_frequency} times.",
        ),
        _draw_letter_frequency,
        takes=_of("letters"),
        needs=_of("english", "wording"),
    ),
    "language:response_language": Recipe(
        (
            "Your entire response should be in {language}; no other language is allowed.",
            "Respond in {language} only.",
            "Write everything in {language}.",
        ),
        lambda rng: {"language": rng.choice([*_LANGUAGES])},
        takes=_of("english"),
    ),
    "length_constraints:number_sentences": Recipe(
        ("Write {relation} {num_sentences} sentences.", "The response must have {relation} {num_sentences} sentences."),
        _draw_number_sentences,
        takes=_of("length"),
        needs=_of("wording"),
    ),
    "length_constraints:number_words": Recipe(
        ("Answer with {relation} {num_words} words.", "Use {relation} {num_words} words in total."),
        _draw_number_words,
        takes=_of("length"),
        needs=_of("wording"),
    ),
    "length_constraints:number_paragraphs": Recipe(
        (
            "Write {num_paragraphs} paragraphs, divided by the markdown divider ***.",
            "There should be exactly {num_paragraphs} paragraphs. Separate them with ***.",
        ),
        lambda rng: {"num_paragraphs": rng.choice((2, 3, 4, 5))},
        takes=_of("layout"),
    ),
    "length_constraints:nth_paragraph_first_word": Recipe(
        (
            "Write {num_paragraphs} paragraphs, separated by blank lines and by nothing else; paragraph "
            "{nth_paragraph} must start with the word {first_word}.",
            "There should be {num_paragraphs} paragraphs with a blank line between each two. The first word of "
            "paragraph {nth_paragraph} must be {first_word}.",
        ),
        _draw_nth_paragraph,
        takes=_of("layout"),
        needs=_of("english"),
    ),
    "detectable_content:number_placeholders": Recipe(
        (
            "Include at least {num_placeholders} placeholders in square brackets, such as [address].",
            "The response must contain {num_placeholders} or more placeholders like [name], in square brackets.",
        ),
        lambda rng: {"num_placeholders": rng.choice((1, 2, 3, 4, 5))},
    ),
    "detectable_content:postscript": Recipe(
        (
            "Add a postscript that starts with {postscript_marker} at the end.",
            "At the end there should be a postscript, with {postscript_marker} before it.",
        ),
        lambda rng: {"postscript_marker": rng.choice(("P.S.", "P.P.S"))},
        takes=_of("end"),
    ),
    "detectable_format:number_bullet_lists": Recipe(
        (
            "Include exactly {num_bullets} bullet points in markdown, such as: * This is a point.",
            "Your answer must contain exactly {num_bullets} bullet points. Start each with an asterisk and a space.",
        ),
        lambda rng: {"num_bullets": rng.choice((2, 3, 4, 5, 6))},
        takes=_of("layout"),
    ),
    "detectable_format:constrained_response": Recipe(
        (
            f"Answer with one of these options: {' / '.join(OPTIONS)}",
            f"Your answer must contain one of the following sentences: {' '.join(OPTIONS)}",
        ),
        takes=_of("layout"),
        needs=_of("english", "case"),
    ),
    "detectable_format:number_highlighted_sections": Recipe(
        (
            "Highlight at least {num_highlights} sections with markdown, such as *highlighted section*.",
            "Put at least {num_highlights} passages in *asterisks* to highlight them.",
        ),
        lambda rng: {"num_highlights": rng.choice((1, 2, 3, 4))},
    ),
    "detectable_format:multiple_sections": Recipe(
        (
            "Write {num_sections} sections. Mark the beginning of each with {section_spliter} X, such as "
            "{section_spliter} 1.",
            "Divide the response into {num_sections} sections that open with {section_spliter} 1, {section_spliter} 2 "
            "and so on.",
        ),
        lambda rng: {"section_spliter": rng.choice(_SECTION_MARKS), "num_sections": rng.choice((2, 3, 4, 5))},
        takes=_of("layout"),
        needs=_of("english", "case"),
    ),
    "detectable_format:json_format": Recipe(
        (
            "The entire output should be valid JSON. You can use markdown ticks such as ```.",
            "Give the whole response as JSON and nothing else.",
        ),
        takes=_of("layout", "start", "end"),
        needs=_of("case", "comma"),
    ),
    "detectable_format:title": Recipe(
        (
            "Give it a title in double angular brackets, such as <<title>>.",
            "The response must contain a title, wrapped in double angular brackets like <<this>>.",
        ),
    ),
    "combination:two_responses": Recipe(
        (
            "Give two different responses, separated by 6 asterisks: ******.",
            "Write two versions that differ. Put ****** between them and nowhere else.",
        ),
        takes=_of("layout"),
    ),
    "combination:repeat_prompt": Recipe(
        (
            "First repeat the request above word for word, without change, then give your answer.",
            "Before you answer, repeat everything above this sentence exactly; say nothing before that.",
        ),
        takes=_of("layout", "start", "wording"),
        needs=_of("english", "case", "comma"),
    ),
    "startend:end_checker": Recipe(
        (
            "Finish your response with this exact phrase: {end_phrase} Nothing should follow it.",
            "The very last words must be: {end_phrase}",
        ),
        lambda rng: {"end_phrase": rng.choice(_ENDINGS)},
        takes=_of("end"),
        needs=_of("english"),
    ),
    "startend:quotation": Recipe(
        (
            "Wrap your entire response in double quotation marks.",
            "Put double quotation marks around the whole response.",
        ),
        takes=_of("start"),
    ),
    "change_case:capital_word_frequency": Recipe(
        (
            "Words in all capital letters should appear {capital_relation} {capital_frequency} times.",
            "Write {capital_relation} {capital_frequency} words in ALL CAPITALS.",
        ),
        _draw_capital_words,
        takes=_of("case"),
        needs=_of("english", "wording"),
    ),
    "change_case:english_capital": Recipe(
        (
            "Your entire response should be in English and in all capital letters.",
            "Use English and capital letters only.",
        ),
        takes=_of("case"),
        needs=_of("english", "wording"),
    ),
    "change_case:english_lowercase": Recipe(
        (
            "Your entire response should be in English and in all lowercase letters.",
            "Use English and lowercase letters only; no capital letters are allowed.",
        ),
        takes=_of("case"),
        needs=_of("english", "wording"),
    ),
    "punctuation:no_comma": Recipe(
        ("Do not use any commas.", "Refrain from the use of commas in your entire response."),
        takes=_of("comma"),
    ),
}
"""Published name → how it is drawn and worded."""


def _worded(value: JsonValue) -> str:
    """A kwarg as a request words it: a list with "and", a language by its name."""
    if isinstance(value, list):
        texts = [str(text) for text in value]
        return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
    return _LANGUAGES.get(str(value), str(value))
