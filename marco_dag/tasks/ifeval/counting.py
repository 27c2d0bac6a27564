"""Counting words, sentences and capital words as the published checkers do, in time linear in the text.

Nothing here decides which count a language gets (`Text` does). NLTK is not used: its sentence splitter needs a data
file that cannot be had offline, and its word tokenizer asks that splitter first.
"""

import re
import unicodedata
from functools import cache

_WORD = re.compile(r"\w+")

_TERMINATED = re.compile(r"[.?!]\s+$")
_LONGEST_LINE = 4_000

_CJK_PUNCTUATION = re.compile(r"[\\.!?．/_,{}<>:;$%^&*(+\"'—！，。？、`~@#￥…（）：；《》“”)\[\]»〔〕\-「」]+")
_CJK_CHARACTER = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_FULL_STOP_SENTENCE = re.compile(r"[^!?。.！？．]+")
_AFTER_DANDA = re.compile(r"(?<=[।!?])\s*")

_SEPARATOR = re.compile(r"[«»“”„‘’`\"?!;@#$%&*\[\](){}<>]|\.{2,}|--|''|[:,](?!\d)|\.(?=[\])}>\"'»”’]*(?:\s|$))")
_CLITIC = re.compile(r"(?<=[^' ])('(?:[sS]|[mM]|[dD])(?=\s|$)|'(?:ll|LL|re|RE|ve|VE)|n't|N'T)")
_FUSED = re.compile(
    r"\b(?:(can)(not)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(wan)(na)(?=\s)|(d)('ye)|(more)('n))\b", re.IGNORECASE
)
_FUSED_IT = re.compile(r"(?<=\s)('t)(is|was)\b", re.IGNORECASE)


def count_words(text: str) -> int:
    r"""Runs of letters, digits and underscores: what NLTK's `RegexpTokenizer(r"\w+")` finds."""
    return sum(1 for _ in _WORD.finditer(text))


def count_sentences(text: str) -> int:
    """Sentences as an English reader sees them: a sentence ends with `.`, `?` or `!`, never with a line alone.

    `sentencex` decides, line by line, which of these marks end one. Quotation marks, brackets and asterisks are blanked
    before: the splitter would look for their partners, and does not split between them, which the published one does.
    A line of more than 4,000 characters is cut, for the splitter takes time quadratic in it.
    """
    from sentencex import segment

    count, is_open = 0, False
    for line in text.translate(_blanks()).split("\n"):
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
    text = _FUSED_IT.sub(r"\1 \2", text)
    return sum(token.isupper() for token in text.split())


@cache
def _blanks() -> dict[int, str]:
    """Quotation marks, brackets, asterisk, grave accent, and lone surrogates, which nothing can encode → a blank."""
    unwanted = (point for point in range(0x10000) if unicodedata.category(chr(point)) in ("Ps", "Pe", "Pi", "Pf", "Cs"))
    return dict.fromkeys([*unwanted, *map(ord, "\"'*`")], " ")
