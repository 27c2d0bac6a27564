"""Numbers as answers write them, read exactly: `1,000`, `-.5`, `\\frac34`, `1\\frac45`, `3/4`, `20\\%`, `30^\\circ`, `18 dollars`.

Reads single rational numbers alone; whatever is none is for math-verify.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from marco_dag.tasks.math.latex import plain_text

_INTEGER = r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]{1,400}"
_NUMERAL = rf"(?:(?:{_INTEGER})(?:\.[0-9]{{0,400}})?|\.[0-9]{{1,400}})"
_PART = r"(?:\{ ?(-?[0-9]{1,400}) ?\}|([0-9]))"
_QUANTITY = re.compile(
    r"(?P<sign>[+-]?) ?"
    rf"(?:(?P<whole>[0-9]{{1,400}})? ?\\frac ?{_PART} ?{_PART}"
    rf"|(?:(?P<and>[0-9]{{1,400}}) )?(?P<top>[0-9]{{1,400}}) ?/ ?(?P<bottom>[0-9]{{1,400}})"
    rf"|(?P<numeral>{_NUMERAL}))"
    r"(?: ?(?P<percent>%)| ?\^\\circ)?"
)
_UNIT = re.compile(r"[A-Za-z](?:[A-Za-z ./]|\^\{?[0-9]\}?){0,60}")
_WORD = re.compile(r"[A-Za-z]+")

_SHORT_UNITS = frozenset("m g s h l L km cm mm kg mg ml mL ft in lb lbs oz mi yd hr hrs min sec mph kmh kph sq cu".split())
"""What may stand right behind a number, without a blank, and the only one-letter units there are."""
_NOT_UNITS = frozenset(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million
    millions billion billions trillion trillions dozen dozens score half halves third thirds quarter quarters fourth
    fourths fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths hundredth hundredths
    thousandth thousandths double twice triple and or to of by plus minus times over divided multiplied mod modulo
    squared cubed factorial percent percentage pct pi tau base not no nor neither but than more less remainder root
    infinity inf am pm sqrt sin cos tan log ln exp
    """.split()
)
"""Words behind a number that make it another one, or no single one."""
_PRECISE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Quantity:
    """A rational number as it was written."""

    value: Fraction
    """Without the percent sign: 20 for `20%`."""
    decimals: int | None = None
    """How many digits stand behind the decimal point; None where there is no point."""
    is_percent: bool = False

    def equals(self, other: "Quantity") -> bool:
        """Whether both mean one number, as the field's graders see it.

        A percentage is its number and its hundredth: `20%` equals 20 and 0.2. A decimal equals the fraction that it is
        rounded from, if it shows at least six digits behind the point and six that count.
        """
        if self.is_percent == other.is_percent:
            return _same(self, other)
        whole, percent = (other, self) if self.is_percent else (self, other)
        hundredth = Quantity(percent.value / 100, None if percent.decimals is None else percent.decimals + 2)
        return _same(whole, percent) or _same(whole, hundredth)


def read_quantity(cleaned: str, *, with_unit: bool = False) -> Quantity | None:
    """The number that `cleaned` (`latex.clean`) is and nothing else, or None; `with_unit`, words may follow it."""
    match = _QUANTITY.match(cleaned)
    if match is None:
        return None
    rest = cleaned[match.end() :]
    if rest and not (with_unit and is_unit(rest)):
        return None
    return _as_quantity(match)


def is_unit(text: str) -> bool:
    """Whether `text`, found right behind a number, is a unit or what is counted: `cm`, ` dollars per day`, `\\text{ m}^2`."""
    words = plain_text(text)
    if not _UNIT.fullmatch(words):
        return False
    found = _WORD.findall(words)
    glued = text[0] not in " \\"
    return (
        all((len(word) > 1 or word in _SHORT_UNITS) and word.lower() not in _NOT_UNITS for word in found)
        and not (glued and found[0] not in _SHORT_UNITS)
        and words.lower().replace(".", "").strip() not in ("am", "pm", "a m", "p m")
    )


def _as_quantity(match: re.Match[str]) -> Quantity | None:
    decimals = None
    if match["numeral"] is not None:
        digits = match["numeral"].replace(",", "").replace(" ", "")
        value = Fraction(digits if digits[-1] != "." else digits[:-1])
        decimals = len(digits.partition(".")[2]) if "." in digits else None
    else:
        plain = match["top"] is not None
        top = match["top"] or match.group(3) or match.group(4)
        bottom = match["bottom"] or match.group(5) or match.group(6)
        whole = match["and"] if plain else match["whole"]
        if int(bottom) == 0 or (whole and (top[0] == "-" or bottom[0] == "-")):
            return None
        value = Fraction(int(top), int(bottom)) + int(whole or 0)
    sign = -1 if match["sign"] == "-" else 1
    return Quantity(sign * value, decimals, match["percent"] is not None)


def _same(one: Quantity, other: Quantity) -> bool:
    if one.value == other.value:
        return True
    if (one.decimals is None) == (other.decimals is None):
        return False
    rounded, exact = (one, other) if one.decimals is not None else (other, one)
    decimals = rounded.decimals or 0
    if decimals < _PRECISE_DIGITS or abs(rounded.value) * 10**decimals < 10 ** (_PRECISE_DIGITS - 1):
        return False
    return abs(rounded.value - exact.value) * 2 * 10**decimals <= 1
