"""Which answer a response states: a box, "answer is", an Answer block, in that order."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.tasks.math.extraction import extract_final_answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"So $x = \boxed{5}$.", "5"),
        (r"First \boxed{4}, no: \boxed{5}. Done.", "5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\left\{ 1, 2 \right.}", r"\left\{ 1, 2 \right."),
        (r"\boxed{\text{a \} b}} tail }", r"\text{a \} b}"),
        (r"\boxed{1 + \fbox{2}}", "2"),
        (r"\fbox{7}", "7"),
        ("\\boxed {\n 8 }", "8"),
        (r"$\boxed 9$", "9"),
        (r"\(\boxed 9\)", "9"),
        (r"\boxed\frac12 and so on", r"\frac12"),
        (r"The answer is 4, or rather \boxed{5}", "5"),
        (r"\boxed{5} is the first step. The answer is 6.", "5"),
    ],
)
def test_the_last_box_counts_before_anything_else(response: str, answer: str) -> None:
    assert extract_final_answer(response).text == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is 5.", "5"),
        ("The answer is 3.5. I hope it is correct.", "3.5"),
        ("The answer is 4. No, the answer is 5", "5"),
        ("the final ANSWER is: **5**", "5"),
        ("**Answer:** 18 dollars\nThat is all.", "18 dollars"),
        ("Final answer:\n\n5", "5"),
        (r"Final Answer: The final answer is $\frac{1}{2}$. I hope it is correct.", r"\frac{1}{2}"),
        ("The answer is $5$ because $2+3=5$.", "5"),
        ("The answers are 1. The answer is $5$ and $7$.", "5, 7"),
        ("The answer is\n\\[\n x + 1 \n\\]", "x + 1"),
        (r"The answer is \(x\), \(y\) or \(z\), as said.", "x, y, z"),
        ("The answer is $18 per day. She pays $5 each.", "$18 per day"),
        ("9 * 2 = <<9*2=18>>18\n#### 18", "18"),
        ("#### $1,800\n", "$1,800"),
        ("The answer is 17\n#### 18", "18"),
        ("#### 18\nThe answer is 17", "17"),
    ],
)
def test_without_a_box_the_last_statement_of_an_answer_counts(response: str, answer: str) -> None:
    assert extract_final_answer(response).text == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<thinking>\\boxed{4}</thinking><answer>5</answer>", "5"),
        ("<answer>The answer is: 5</answer>", "5"),
        ("<answer>It follows that \\boxed{5} holds</answer>", "5"),
        ("<answer>It is 4; the answer is 5</answer>", "5"),
        ("<answer>x = 5, as said</answer>", "x = 5, as said"),
    ],
)
def test_an_answer_block_is_a_stated_answer(response: str, answer: str) -> None:
    assert extract_final_answer(response).text == answer


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ("", "the response is empty"),
        ("So x is 5.", 'neither a box nor "answer is"'),
        ("The answer is", 'neither a box nor "answer is"'),
        ("#### Step 2: add them", 'neither a box nor "answer is"'),
        (r"\boxed{5} so \boxed{6", "the last box is never closed"),
        (r"The answer is \boxed{\frac{1}{2}", "the last box is never closed"),
        (r"\boxed{\}", "the last box is never closed"),
        (r"\boxed", "the last box is never closed"),
        (r"\boxed{ }", "the last box is empty"),
        (r"\boxedly 5", 'neither a box nor "answer is"'),
        ("<thinking>\\boxed{5}</thinking>", "no closed answer block"),
        ("<answer>\\boxed{5</answer>", "the last box is never closed"),
        ("<answer></answer>", "the answer block is empty"),
    ],
)
def test_no_answer_is_told_with_its_reason(response: str, why: str) -> None:
    stated = extract_final_answer(response)
    assert (stated.text, stated.missing) == (None, why)


@pytest.mark.parametrize(
    "response",
    [
        r"\boxed{" * 100_000,
        r"\boxed{" * 100_000 + "}" * 100_000,
        r"\boxed{" + "{" * 100_000 + "}" * 100_000 + "}",
        r"\boxed" + " " * 200_000,
        "\\boxed{" + "\\" * 200_000 + "}",
        "answer is " * 20_000,
        ("answer" + " " * 30) * 6_000,
        "answer is " + "$a" * 100_000,
        "answer is " + "$a$, " * 40_000,
        "answer is " + r"\[" * 100_000,
        "answer is " + "$" * 200_000,
        "#### 1" + " " * 200_000 + "x",
        "#### 1,\n" * 25_000,
    ],
)
def test_the_time_grows_with_the_length_alone(response: str) -> None:
    start = time.process_time()
    extract_final_answer(response)
    assert time.process_time() - start < 1


@given(st.lists(st.sampled_from(["\\boxed{", "}", "{", "answer is ", "$", "<answer>", "</answer>", "5"])).map("".join))
def test_an_answer_or_a_reason_never_both(response: str) -> None:
    stated = extract_final_answer(response)
    assert (stated.text is None) == bool(stated.missing)
    assert stated.text != ""
