"""The gold answers of GSM8K, MATH-500 and AIME are right, as they are and in their solutions; perturbed, none is."""

import json
import random
import re
from collections.abc import Iterator

import pytest

from marco_dag.tasks.math import MathTask
from marco_dag.tasks.math.equivalence import compare
from tests.benchmark_samples import sample_file

SAMPLES = {
    "gsm8k/test.jsonl": 923,
    "math/math500.jsonl": 350,
    "aime/aime2022_2023.jsonl": 42,
    "aime/aime2024.jsonl": 21,
    "aime/aime2025.jsonl": 21,
}
_POINT = re.compile(r"(.*?[(\[])([^,()\[\]]+),([^,()\[\]]+)([)\]])")
_NUMBER = re.compile(r"[0-9]+")


def rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in sample_file(name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_published_answer_is_right_in_every_form_in_which_it_is_given(name: str) -> None:
    task, questions = MathTask(), rows(name)
    assert len(questions) == SAMPLES[name]
    wrong = []
    for row in questions:
        gold = {"answer": row["answer"]}
        task.check_reference(gold)
        forms = [rf"So $\boxed{{{row['answer']}}}$.", f"<answer>The answer is: {row['answer']}</answer>"]
        forms += [f"The answer is ${row['answer']}$.", row.get("solution", forms[0])]
        wrong += [(row["id"], verdict) for form in forms if (verdict := task.verify(form, gold)).outcome != "correct"]
    assert not wrong


@pytest.mark.parametrize("name", SAMPLES)
def test_no_perturbed_answer_is_right(name: str) -> None:
    golds = list(dict.fromkeys(row["answer"] for row in rows(name)))
    rng = random.Random(name)
    right = [
        (gold, answer)
        for gold in golds
        for answer in perturbed(gold, golds, rng)
        if compare(gold, answer) not in ("different", "unreadable_answer")
    ]
    assert not right


def perturbed(gold: str, others: list[str], rng: random.Random) -> Iterator[str]:
    """Number + 1, a changed digit, swapped coordinates, another sign, another question's answer of another value."""
    numbers = list(_NUMBER.finditer(gold))
    if numbers:
        number = rng.choice(numbers)
        digits, at = number.group(), rng.randrange(len(number.group()))
        changed = digits[:at] + str((int(digits[at]) + rng.randrange(1, 10)) % 10) + digits[at + 1 :]
        for other in (str(int(digits) + 1), changed):
            yield gold[: number.start()] + other + gold[number.end() :]
    if numbers and gold != "0":
        yield gold[1:] if gold.startswith("-") else f"-{gold}"
    point = _POINT.fullmatch(gold)
    if point and point[2].strip() != point[3].strip():
        yield f"{point[1]}{point[3]},{point[2]}{point[4]}"
    yield rng.choice([other for other in others if value(other) != value(gold)])


def value(gold: str) -> str:
    """What answers of one value share, as these samples write them."""
    return re.sub(r"\\[dt]frac|\\frac", "frac", re.sub(r"[\s{}]|\^\\circ|\\[!,]", "", gold))
