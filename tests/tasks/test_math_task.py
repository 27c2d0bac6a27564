"""The math task: verdicts with reasons, references that can be verified against, hostile answers in bounded time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marco_dag.identity import JsonValue
from marco_dag.tasks import GENERATING_TASKS, TASKS, Outcome
from marco_dag.tasks.math import MathTask
from marco_dag.tasks.math.equivalence import compare_cleaned

TASK = MathTask()


def test_it_is_registered_as_a_task_that_makes_no_questions() -> None:
    assert isinstance(TASKS["math"], MathTask)
    assert "math" not in GENERATING_TASKS


@pytest.mark.parametrize(
    ("response", "gold", "outcome", "reason", "answer"),
    [
        (r"\boxed{5}", "5", "correct", "'5' as expected", "5"),
        (r"\boxed{5}", 5, "correct", "'5' as expected", "5"),
        (r"\boxed{0.5}", 0.5, "correct", "'0.5' as expected", "0.5"),
        (r"\boxed{10^{22}}", 1e22, "correct", "'10000000000000000000000' as expected", "10^{22}"),
        (r"\boxed{6}", "5", "wrong", "expected '5', found '6'", "6"),
        (r"\boxed{((}", "5", "wrong", "expected '5', found '((', which math-verify cannot read", "(("),
        (r"\boxed{5", "5", "no_answer", "the last box is never closed", None),
        ("It is 5.", "5", "no_answer", 'neither a box nor "answer is"', None),
        (r"\boxed{x}", "((", "wrong", "expected '((', found 'x', and math-verify cannot read the expected answer", "x"),
    ],
)
def test_a_verdict_says_what_was_expected_and_what_was_found(
    response: str, gold: JsonValue, outcome: Outcome, reason: str, answer: str | None
) -> None:
    verdict = TASK.verify(response, {"answer": gold})
    assert (verdict.outcome, verdict.reason, verdict.answer) == (outcome, reason, answer)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({}, "answer: must be a number, or a text in LaTeX"),
        ({"answer": None}, "answer: must be a number, or a text in LaTeX"),
        ({"answer": True}, "answer: must be a number, or a text in LaTeX"),
        ({"answer": ["5"]}, "answer: must be a number, or a text in LaTeX"),
        ({"answer": ""}, "answer: must not be blank"),
        ({"answer": " \n"}, "answer: must not be blank"),
        ({"answer": "\u200b"}, "answer: math-verify cannot read "),
        ({"answer": r"\frac{1}{"}, "answer: math-verify cannot read "),
        ({"answer": float("nan")}, "answer: must be finite"),
        ({"answer": "9" * 3000}, "answer: has 3,000 characters, more than the 2,000 that are compared"),
        ({"answer": 10**5000}, "answer: has more than the 2,000 digits that are compared"),
        ({"answer": "\ud800"}, "answer: math-verify cannot read "),
    ],
)
def test_a_gold_answer_that_nothing_could_equal_is_refused(reference: dict[str, JsonValue], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TASK.check_reference(reference)


SCRAPS = (
    r"\frac",
    r"\sqrt",
    r"\text{",
    "{",
    "}",
    "(",
    ")",
    ",",
    "^",
    "_",
    "+",
    "=",
    "x",
    "7",
    "!",
    "%",
    "\u202e",
    "\ud800",
    "\x00",
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(SCRAPS), max_size=12).map("".join) | st.text(max_size=20))
def test_any_answer_gets_a_verdict(answer: str) -> None:
    """By math-verify too, whose workers live on or are replaced."""
    verdict = TASK.verify(f"<answer>{answer}</answer>", {"answer": "x^2+1"})
    assert verdict.outcome in ("wrong", "no_answer")
    assert verdict.reason.isprintable()


HOSTILE = {
    "power tower": r"\boxed{9^{9^{9^9}}}",
    "large factorial": r"\boxed{100000000!}",
    "power of a matrix": r"\boxed{\begin{pmatrix} 1 & x \\ y & 2 \end{pmatrix}^{1000000}}",
    "matrix": r"\boxed{\begin{pmatrix}" + r"\\".join(["&".join("1" * 20)] * 20) + r"\end{pmatrix}^{-1}}",
    "nested fractions": r"\boxed{" + r"\frac{1}{1+" * 150 + "1" + "}" * 150 + "}",
    "unfinished fractions": r"\boxed{" + r"\frac" * 400 + "1}",
    "100,000 terms": r"\boxed{" + "+".join(f"x^{{{n}}}" for n in range(100_000)) + "}",
    "expansion": r"\boxed{(x+y+z+w+1)^{300}}",
    "braces 10,000 deep": r"\boxed{" + "{" * 10_000 + "7" + "}" * 10_000 + "}",
    "brackets": r"\boxed{" + "(" * 1_900 + "}",
    "200,000 digits": r"\boxed{" + "9" * 200_000 + "}",
    "200,000 brackets": r"\boxed{(" + "1," * 100_000 + "1)}",
    "200,000 blanks": r"\boxed{7" + " " * 200_000 + "x}",
    "regex bait": r"answer is " + "$1$," * 40_000,
    "words": r"\boxed{" + "and " * 490 + "}",
    "right to left": "\\boxed{\u202e7\u2066}",
    "surrogate": "\\boxed{\ud800}",
    "zeros": "\\boxed{\x00\x00}",
}


def test_hostile_answers_get_a_verdict_in_bounded_time() -> None:
    """Several of them in a row, so that workers which had to be killed are replaced in that time too."""
    TASK.verify(r"\boxed{x}", {"answer": "x+1"})
    slowest: dict[str, float] = {}
    for name, response in HOSTILE.items():
        start = time.perf_counter()
        verdict = TASK.verify(response, {"answer": "15"})
        slowest[name] = time.perf_counter() - start
        assert verdict.outcome == "wrong", name
        assert verdict.reason.isprintable()
        assert len(verdict.reason) < 400
    assert max(slowest.values()) < 4, slowest  # 2 s where nothing else runs: `benchmarks/verifier_math.py`
    assert TASK.verify(r"\boxed{x+1}", {"answer": "1+x"}).outcome == "correct"


def test_what_cannot_be_checked_in_time_is_wrong_and_says_so_and_is_not_asked_again() -> None:
    compare_cleaned.cache_clear()
    verdicts = [TASK.verify(r"\boxed{9^{9^{9^9}}}", {"answer": "17"})]
    start = time.perf_counter()
    verdicts.append(TASK.verify(r"\boxed{9^{9^{9^9}}}", {"answer": "17"}))
    assert time.perf_counter() - start < 0.1
    assert {verdict.outcome for verdict in verdicts} == {"wrong"}
    assert {verdict.reason for verdict in verdicts} == {
        "could not be checked within 1 s: expected '17', found '9^{9^{9^9}}'"
    }
