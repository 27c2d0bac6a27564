"""Which answers mean what the gold answer means; a wrong one is never taken for right."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marco_dag.tasks.math.equivalence import compare, is_readable

EQUAL = [
    ("15", ["15", "$15", r"\$15.00", "15.", "+15", "015", "15 dollars per day", r"15\text{ cm}^2", "15 m", "x = 15"]),
    ("15", ["3 + 12 = 15", r"\text{15 apples}", "**15**", r"15^\circ", r"15\%", "(15)", "15\u200b", r"\mathbf{15}"]),
    ("-15", ["-15", "\N{MINUS SIGN}15", "- 15", "-15.0"]),
    ("033", ["33", "033"]),
    ("1,000", ["1000", "1,000", "1 000", "1{,}000", r"1,\!000", r"1\,000", "1000.0", "10^3"]),
    (r"\$32,\!348", ["32348", "32,348", r"\$32{,}348"]),
    (r"\frac{3}{4}", ["0.75", "3/4", r"\frac34", r"\dfrac{3}{4}", ".75", "6/8", r"\tfrac 34", r"1-\frac14"]),
    (r"\frac{1}{3}", ["0.333333", "0.33333333", "2/6"]),
    (r"1\frac{4}{5}", ["9/5", "1 4/5", "1.8", r"\frac95"]),
    (r"20\%", ["20", "0.2", "20%", "20 percent", r"\frac{1}{5}"]),
    (r"\frac{270}7\text{ degrees}", [r"\frac{270}{7}", r"\frac{270}{7}^\circ"]),
    (r"30^\circ", ["30", "30\N{DEGREE SIGN}", r"30^{\circ}", r"30\text{ degrees}"]),
    (r"15\mbox{ cm}^2", ["15", "15 cm^2", r"15 \text{ cm}^2", "15 square cm"]),
    ("40_9", ["40_9", "40_{9}", "40", r"40_{\text{9}}"]),
    (r"\text{(C)}", ["C", "(C)", r"\text{C}", r"\textbf{(C)}", "(c)"]),
    (r"\text{Evelyn}", ["Evelyn", r"\text{evelyn}", "Evelyn."]),
    (r"\text{A, B}", ["A,B", "B and A", r"\text{A and B}"]),
    (r"8\!:\!34 \text{ p.m.}", ["8:34 PM", r"8:34\text{ p.m.}"]),
    ("(6,31,-1)", [r"\left(6, 31, -1\right)", "(6.0, 31, -1)", "P = (6, 31, -1)", "6, 31, -1"]),
    (r"\left( 3, \frac{\pi}{2} \right)", [r"(3,\pi/2)", "(3, \N{GREEK SMALL LETTER PI}/2)"]),
    (r"(2,\infty)", [r"(2, \infty)", "(2,\N{INFINITY})", r"x \in (2,\infty)"]),
    (r"x \in [-2,7]", ["[-2,7]", r"x\in[-2, 7]"]),
    (r"(0,9) \cup (9,36)", [r"(9,36)\cup(0,9)"]),
    ("-2,1", ["1,-2", r"x=-2 \text{ or } x=1", r"\{-2,1\}"]),
    (r"6, 8\text{, and }10", ["6, 8, 10"]),
    (r"3 \pm 2 \sqrt{2}", [r"3+2\sqrt2, 3-2\sqrt2"]),
    (r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}", [r"\frac13\begin{bmatrix} -1 \\ 2 \end{bmatrix}"]),
    ("(a+5)(b+2)", ["(b+2)(a+5)", "ab+2a+5b+10"]),
    ("y = 2x + 3", ["2x+3", "y=3+2x", "y-2x=3"]),
    (r"70 \sqrt{2}", [r"70\sqrt2", "70\N{SQUARE ROOT}2"]),
    (r"\frac{\sqrt{3}}{3}", [r"\frac{1}{\sqrt{3}}"]),
]  # fmt: skip

DIFFERENT = [
    ("15", ["16", "-15", "1.5", "1 5", "15, 16", "15 or 16", "15x", "15 x", "15!", "150", "x > 15", r"x \ge 15"]),
    ("15", ["15 million", r"15\text{ million}", "15 dozen eggs", "15 and a half", "", "-", "fifteen", "(15, 16)"]),
    ("1234", ["1,2,3,4", "12,34", "123,4"]),
    (".0000672", [".0000673", "0.0000671"]),
    (r"\frac{1}{3}", ["0.33", "0.333334", "3", r"\frac{1}{0}"]),
    (r"\frac{1}{15000}", ["0.000067"]),
    (r"1\frac{4}{5}", ["4/5", "14/5"]),
    (r"20\%", ["0.02", "2000", r"0.2\%"]),
    (r"15\mbox{ cm}^2", [r"15\text{ cm}^3"]),
    ("40_9", ["40_8", "41_9", "36"]),
    (r"\text{(C)}", ["D", "(CD)", "3"]),
    (r"\text{Evelyn}", ["Eve", "Evelyne"]),
    ("LQSX", ["XLQS"]),
    (r"8\!:\!34 \text{ p.m.}", ["8:34", "8:34 a.m.", "8:35 p.m."]),
    ("(6,31,-1)", ["(31,6,-1)", "(6,31)", "-(6,31,-1)", "[6,31,-1]", "(6,31,1)", r"\{6,31,-1\}", "6"]),
    ("(5,3)", ["(3,5)", "(4,1)", "[5,3]", "2(5,3)", "(5,3)+(1,1)"]),
    (r"(2,\infty)", [r"[2,\infty)", r"(2,-\infty)", r"(3,\infty)", r"(-\infty,2)"]),
    (r"(0,9) \cup (9,36)", ["(0,36)", r"(0,9)\cup(9,37)", "(0,9)"]),
    ("-2,1", ["-2", "2,-1", "-2,1,3"]),
    (r"3 \pm 2 \sqrt{2}", [r"3+2\sqrt2", r"3\pm2\sqrt3"]),
    ("p - q", ["q - p", "p + q"]),
    ("5t", ["5", "5s"]),
    ("y = 2x + 3", ["2x+4", "y=2x-3"]),
    (r"\begin{pmatrix} 3 \\ 1 \end{pmatrix}", [r"-\begin{pmatrix} 3 \\ 1 \end{pmatrix}"]),
    (r"\begin{pmatrix} 3 \\ 1 \end{pmatrix}", [r"\begin{pmatrix} 1 \\ 3 \end{pmatrix}"]),
    ("5", ["5}{6", r"\frac{5", "5 is the answer", "\u0665"]),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer"), [(gold, answer) for gold, answers in EQUAL for answer in answers])
def test_other_ways_of_writing_an_answer_are_right(gold: str, answer: str) -> None:
    assert compare(gold, answer) == "equal"


@pytest.mark.parametrize(("gold", "answer"), [(gold, answer) for gold, answers in DIFFERENT for answer in answers])
def test_another_answer_is_wrong(gold: str, answer: str) -> None:
    assert compare(gold, answer) in ("different", "unreadable_answer")


rationals = st.fractions(min_value=-10_000, max_value=10_000, max_denominator=400)


def ways_of_writing(value: Fraction) -> list[str]:
    sign, size = "-" if value < 0 else "", abs(value)
    ways = [f"{value.numerator}/{value.denominator}", rf"{sign}\frac{{{size.numerator}}}{{{size.denominator}}}"]
    whole, rest = divmod(size.numerator, size.denominator)
    if rest and whole:
        ways += [rf"{sign}{whole}\frac{{{rest}}}{{{size.denominator}}}", f"{sign}{whole} {rest}/{size.denominator}"]
    if value.denominator == 1:
        ways += [str(value.numerator), f"{value.numerator:,}", f"{value.numerator}.0", f"{value.numerator} eggs"]
    if 400 % value.denominator == 0:
        ways += [f"{float(value)!r}", f"${float(value):,.6f}"]
    return ways


@settings(deadline=None)
@given(rationals, rationals, st.data())
def test_numbers_are_equal_if_and_only_if_their_values_are(one: Fraction, other: Fraction, data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from([way for way in ways_of_writing(one) if not way.endswith("eggs")]))
    same, another = data.draw(st.sampled_from(ways_of_writing(one))), data.draw(st.sampled_from(ways_of_writing(other)))
    assert compare(gold, same) == "equal"
    assert (compare(gold, another) == "equal") == (one == other)


@settings(deadline=None)
@given(st.lists(st.integers(-99, 99), min_size=2, max_size=4), st.data())
def test_points_are_equal_in_order_alone(point: list[int], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(point))
    gold, answer = (f"({','.join(map(str, values))})" for values in (point, shuffled))
    assert (compare(gold, answer) == "equal") == (point == list(shuffled))


@pytest.mark.parametrize(
    "gold", ["72", "1,000", r"\frac43", r"\text{Evelyn}", "(C)", "x+1", "40_9", r"[1,\infty)", "0"]
)
def test_published_gold_answers_can_be_read(gold: str) -> None:
    assert is_readable(gold)


@pytest.mark.parametrize("gold", [r"\frac{1}{", "((", "}{", r"\begin{pmatrix} 1", "\u200b"])
def test_what_no_answer_could_equal_is_no_gold_answer(gold: str) -> None:
    assert not is_readable(gold)
