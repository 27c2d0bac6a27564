"""Counting words, sentences and capital words as the published checkers do, in time linear in the text.

Nothing here decides which count a language gets (`Text` does). NLTK is not used: its sentence splitter needs a data
file that cannot be had offline, and its word tokenizer asks that splitter first.
"""

import re
import unicodedata
from functools import cache

_WORD = re.compile(r"\w+")

_ELLIPSIS = re.compile(r"\.{2,}")
_START = re.compile(r"(?:(?<=\w\w\.)|(?<=[?!]))\s+\w")
_TERMINATED = re.compile(r"[.?!]\s+$")
_LONGEST_LINE = 4_000
_LAST_ASCII = 0x7F

_CJK_PUNCTUATION = re.compile(r"[\\.!?．/_,{}<>:;$%^&*(+\"'—！，。？、`~@#￥…（）：；《》“”)\[\]»〔〕\-「」]+")
_CJK_CHARACTER = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_FULL_STOP_SENTENCE = re.compile(r"[^!?。.！？．]+")
_AFTER_DANDA = re.compile(r"(?<=[।!?])\s*")

_SEPARATOR = re.compile(r"[«»“”„‘’`\"?!;@#$%&*\[\](){}<>]|\.{2,}|--|''|[:,](?!\d)|\.(?=[\])}>\"'»”’]*(?:\s|$))")
_CLITIC = re.compile(r"(?<=[^' ])('(?:[sS]|[mM]|[dD])(?=\s|$)|'(?:ll|LL|re|RE|ve|VE)|n't|N'T)")
_FUSED = re.compile(
    r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(wan)(na)(?=\s)|(d)('ye)|(more)('n))\b", re.IGNORECASE
)


def count_words(text: str) -> int:
    r"""Runs of letters, digits and underscores: what NLTK's `RegexpTokenizer(r"\w+")` finds."""
    return sum(1 for _ in _WORD.finditer(text))


def count_sentences(text: str) -> int:
    """Sentences as an English reader sees them: a sentence ends with `.`, `?` or `!`, never with a line alone.

    sentencex decides, line by line, which of these marks end one. For it to come as near to NLTK's punkt as it can,
    quotation marks, brackets and asterisks are blanked (it does not split between two of them), ellipses and the marks
    of other scripts too, and what follows an end is capitalized (it does not split before lower case). A line of more
    than 4,000 characters is cut: the splitter can take time quadratic in it.
    """
    from sentencex import segment

    count, is_open = 0, False
    prepared = _START.sub(lambda start: start.group().upper(), _ELLIPSIS.sub(" ", text.translate(_blanks())))
    for line in prepared.split("\n"):
        for start in range(0, len(line), _LONGEST_LINE):
            for piece in segment("en", line[start : start + _LONGEST_LINE] + "\n"):
                if piece.isspace():
                    continue
                is_open = _TERMINATED.search(piece) is None
                count += not is_open
    return count + is_open


def count_full_stop_sentences(text: str) -> int:
    """Sentences of Chinese or Japanese: what stands on a line before, between and after `。.！!？?．`."""
    return sum(1 for line in text.splitlines() for _ in _FULL_STOP_SENTENCE.finditer(line.strip()))


def count_danda_sentences(text: str) -> int:
    """Sentences of Hindi: what stands before, between and after `।`, `!` and `?`; each such mark ends one."""
    return sum(1 for sentence in _AFTER_DANDA.split(text) if sentence.strip())


def count_cjk_words(text: str) -> int:
    """Characters of Chinese, Japanese and Korean, one word each, and the words of other scripts between them.

    Punctuation is dropped first, so that `a,b` is one word.
    """
    text = _CJK_PUNCTUATION.sub("", text)
    others, characters = _CJK_CHARACTER.subn(" ", text)
    return characters + len(others.split())


def count_capital_words(text: str) -> int:
    """Tokens all of whose cased characters are capitals, of those that NLTK's `word_tokenize` makes.

    Hyphenated words are one token; a contraction is two (`DON'T`: `DO`, `N'T`; `CANNOT`: `CAN`, `NOT`).
    """
    text = _SEPARATOR.sub(" ", text)
    text = _CLITIC.sub(r" \1", text)
    text = _FUSED.sub(lambda match: " ".join(part for part in match.groups() if part), text)
    return sum(token.isupper() for token in text.split())


@cache
def _blanks() -> dict[int, str]:
    """Quotation marks, brackets, asterisk, grave accent, marks of other scripts, and lone surrogates → a blank."""
    unwanted = (
        point
        for point in range(0x10000)
        if (category := unicodedata.category(chr(point))) in ("Ps", "Pe", "Pi", "Pf", "Cs")
        or (category == "Po" and point > _LAST_ASCII)
    )
    return dict.fromkeys([*unwanted, *map(ord, "\"'*`")], " ")
