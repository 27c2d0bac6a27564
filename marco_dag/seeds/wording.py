"""When two prompts say the same: two normal forms, a narrow one for duplicates and a wide one for contamination.

Losing a good question to the wide form costs little, keeping a benchmark's question costs the benchmark; a duplicate is
the other way round. So the narrow form keeps all signs (`$x-1$` is not `$x+1$`), and the wide form knows only words.
"""

import unicodedata

_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts that write no spaces between words, as Unicode names their characters: each character counts as a word."""
_APOSTROPHES = "'’ʼ"


def narrow_form(prompt: str) -> str:
    """The narrow form: `prompt` where neither upper and lower case nor the amount of white space counts."""
    return " ".join(unicodedata.normalize("NFC", prompt).casefold().split())


def words_of(prompt: str) -> list[str]:
    """The wide form: the words of `prompt`, without case, punctuation and signs; may be none.

    A word is a run of letters, their marks and digits; an apostrophe within it, and characters that cannot be seen, do
    not count. Full-width and other compatibility forms are those of plain text.
    """
    text = unicodedata.normalize("NFKC", prompt).casefold()
    return unicodedata.normalize("NFKC", text).translate(_WORDS).split()


class _WordCharacters(dict[int, str]):
    """For `str.translate`: what each character is to a word, found out once."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if kind == "Cf" or character in _APOSTROPHES:
            kept = ""
        elif kind[0] not in "LMN":
            kept = " "
        elif unicodedata.name(character, "").startswith(_UNSPACED):
            kept = f" {character} "
        else:
            kept = character
        self[code] = kept
        return kept


_WORDS = _WordCharacters()
