"""An answer's text in one way of writing: without what does not change what it means. Knows no mathematics.

Gone are characters that cannot be seen, math delimiters, dollar signs, spacing and sizing commands and punctuation at the
end; kinds of `\\frac` and of `\\text` become one; symbols of Unicode become commands. Every pass is linear.
"""

import re

_INVISIBLE = (0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
_SYMBOLS = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{MULTIPLICATION SIGN}": "\\times ",
    "\N{MIDDLE DOT}": "\\cdot ",
    "\N{DOT OPERATOR}": "\\cdot ",
    "\N{DIVISION SIGN}": "/",
    "\N{FRACTION SLASH}": "/",
    "\N{SQUARE ROOT}": "\\sqrt ",
    "\N{GREEK SMALL LETTER PI}": "\\pi ",
    "\N{GREEK SMALL LETTER THETA}": "\\theta ",
    "\N{INFINITY}": "\\infty ",
    "\N{PLUS-MINUS SIGN}": "\\pm ",
    "\N{LESS-THAN OR EQUAL TO}": "\\le ",
    "\N{GREATER-THAN OR EQUAL TO}": "\\ge ",
    "\N{NOT EQUAL TO}": "\\ne ",
    "\N{ALMOST EQUAL TO}": "\\approx ",
    "\N{UNION}": "\\cup ",
    "\N{INTERSECTION}": "\\cap ",
    "\N{ELEMENT OF}": "\\in ",
    "\N{DEGREE SIGN}": "^\\circ ",
    "\N{SUPERSCRIPT TWO}": "^2",
    "\N{SUPERSCRIPT THREE}": "^3",
    "\N{POUND SIGN}": "$",
    "\N{EURO SIGN}": "$",
}
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys(range(0x20), " "),
        0x7F: " ",
        **dict.fromkeys(_INVISIBLE, ""),
        **dict.fromkeys("\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}", " "),
        **_SYMBOLS,
    }
)

_NOISE = re.compile(
    r"(?P<row>\\\\)"
    r"|(?P<thousands>(?<=[0-9])(?:,\\!|\{,\})(?=[0-9]{3}))"
    r"|(?P<none>\\[()\[\]$!]|\$|\\(?:left|right|[bB]igg?[lrm]?)(?:\.|(?![A-Za-z]))|\\(?:displaystyle|textstyle|limits)(?![A-Za-z]))"
    r"|(?P<space>\\[,;: ]|~|\\q?quad(?![A-Za-z]))"
    r"|(?P<frac>\\[dtc]frac(?![A-Za-z]))"
    r"|(?P<text>\\(?:text(?:bf|it|rm|sf|tt|normal)?|m(?:box|athrm|athbf|athit|athsf|athnormal))\s*(?=\{))"
    r"|(?P<degree>\^\s*\{\s*\\circ\s*\}|\\degree(?![A-Za-z])|\^\s*\\circ(?![A-Za-z]))"
    r"|(?P<comma>\{,\})"
    r"|(?P<percent>\\%)"
)
_REPLACEMENTS = {
    "row": "\\\\",
    "thousands": "",
    "none": "",
    "space": " ",
    "frac": "\\frac",
    "text": "\\text",
    "degree": "^\\circ",
    "comma": ",",
    "percent": "%",
}
_CONJUNCTION = re.compile(r",? ?\\text\{ ?,? ?(?:and|or) ?\}")
_NUMBER_AS_TEXT = re.compile(r"\\text\{\s*([-+0-9.,]+)\s*\}")
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_LAST_TEXT = re.compile(r"\\text\{[^{}]*\}(?:\^(?:[0-9]|\{[0-9]\}))?\Z")
_BETWEEN_WORDS = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")


def clean(text: str) -> str:
    """`text` without what does not change its meaning; math-verify reads the result as it reads `text`, or better."""
    text = _NOISE.sub(lambda match: _REPLACEMENTS[str(match.lastgroup)], text.translate(_CHARACTERS))
    text = _CONJUNCTION.sub(", ", _NUMBER_AS_TEXT.sub(r"\1", " ".join(text.split())))
    return text.strip(" *`").rstrip(" .,;:*")


def compact(cleaned: str) -> str:
    """Without the blanks that part nothing: two texts that are one here mean the same."""
    return _BETWEEN_WORDS.sub("", cleaned)


def plain_text(cleaned: str) -> str:
    """With what stands in `\\text{…}` as ordinary text."""
    return " ".join(_TEXT.sub(r"\1", cleaned).split())


def without_last_text(cleaned: str) -> tuple[str, str]:
    """`cleaned` without a last `\\text{…}`, and that text with its power, `cm^2`; as it is and "" where it has none."""
    start = cleaned.rfind("\\text{")
    last = _LAST_TEXT.match(cleaned, start) if start > 0 else None
    if last is None:
        return cleaned, ""
    return cleaned[:start].rstrip(), plain_text(last.group())
