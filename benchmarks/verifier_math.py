"""What one check of a mathematical answer costs: over the samples of real sets, by math-verify alone, and at worst.

The samples lie in `shared/benchmarks` in a folder above the repository; without them their figures are left out.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from marco_dag.tasks.math import MathTask, checkers, worker
from marco_dag.tasks.math.checkers import ask_math_verify
from marco_dag.tasks.math.equivalence import compare_cleaned

_ROUNDS = 3
_SAMPLES = (
    "gsm8k/test.jsonl",
    "math/math500.jsonl",
    "aime/aime2022_2023.jsonl",
    "aime/aime2024.jsonl",
    "aime/aime2025.jsonl",
)
_PAIRS = (
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"),
    ("x^3+3x-6", "-6+3x+x^3"),
    (r"(0,9) \cup (9,36)", r"(9,36) \cup (0,9)"),
    (r"\{1\pm\sqrt{5},-2\}", r"-2, 1+\sqrt5, 1-\sqrt5"),
    (r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}", r"\frac13\begin{pmatrix} -1 \\ 2 \end{pmatrix}"),
    ("2^{10}", "1024"),
    (r"12\pi", r"\pi \cdot 12"),
    (r"\frac{\pi}{2}", r"\pi/2"),
    ("6+9i", "9i+6"),
    ("y = 2x + 3", "2x+3"),
)
"""Gold answers and other ways of writing them that only math-verify knows to be equal."""

_HOSTILE = (
    "9^{9^{9^9}}",
    "10^{10^{10}}!",
    "100000000!",
    "(10000000!, 20000000!)",
    r"\binom{10^9}{5\cdot 10^8}",
    r"\sum_{n=1}^{100000000} \frac{1}{n^2}",
    r"\int_0^{1} e^{e^{x^{x}}} dx",
    r"\log_{2}(3^{1000000000})",
    r"\frac{1}{1+" * 150 + "1" + "}" * 150,
    r"\frac" * 400 + "1",
    "(x+y+z+w+1)^{300}",
    r"\begin{pmatrix} 1 & x \\ y & 2 \end{pmatrix}^{1000000}",
    "+".join(f"x^{{{n}}}" for n in range(200)),
    "+".join(f"x^{{{n}}}" for n in range(100_000)),
    "{" * 900 + "7" + "}" * 900,
    "{" * 10_000 + "7" + "}" * 10_000,
    "(" * 1_900,
    "1," * 900 + "x",
    "9" * 200_000,
    "\u202e" * 100_000 + "7\u200b" * 50_000,
)


def measure() -> list[Figure]:
    """Every gold answer in a box and another question's, three rounds, none remembered; then hostile answers."""
    task = MathTask()
    starts = [_start_seconds() for _ in range(_ROUNDS)]
    assert task.verify(r"\boxed{x+1}", {"answer": "1+x"}).outcome == "correct"  # starts a worker
    figures = [
        Figure("verify.math_worker_start_s", "s", starts),
        Figure("verify.math_worker_ms", "ms", [_milliseconds(partial(ask_math_verify, [pair])) for pair in _PAIRS]),
    ]
    golds = list(_golds())
    if golds:
        others = [*golds[len(golds) // 3 :], *golds[: len(golds) // 3]]
        pairs = [*zip(golds, golds, strict=True), *zip(golds, others, strict=True)]
        checks = [partial(_check_afresh, task, gold, rf"So it is $\boxed{{{answer}}}$.") for gold, answer in pairs]
        figures.append(Figure("verify.math_ms", "ms", [_milliseconds(check) for check in checks]))
    figures.append(Figure("verify.worst_s", "s", [max(_hostile_seconds(task))]))
    return figures


def _check_afresh(task: MathTask, gold: str, response: str) -> None:
    compare_cleaned.cache_clear()
    task.verify(response, {"answer": gold})


def _milliseconds(check: Callable[[], object]) -> float:
    """How long a check takes, the median of three."""
    taken = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        check()
        taken.append((time.perf_counter() - start) * 1e3)
    return median(taken)


def _hostile_seconds(task: MathTask) -> Iterator[float]:
    """How long each hostile answer takes, one right after the other, so that killed workers must be replaced."""
    compare_cleaned.cache_clear()
    for gold in ("15", r"\frac{x+1}{x-2}"):
        for answer in _HOSTILE:
            start = time.perf_counter()
            task.verify(rf"\boxed{{{answer}}}", {"answer": gold})
            yield time.perf_counter() - start


def _start_seconds() -> float:
    """From the start of a worker to its end, which is when it is ready and finds that nobody asks."""
    command = [sys.executable, "-P", worker.__file__, str(checkers.PROCESSOR_SECONDS), str(checkers.MEMORY_BYTES)]
    start = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _golds() -> Iterator[str]:
    """The gold answers of the samples; none where they are not there."""
    for folder in Path(__file__).resolve().parents:
        for name in _SAMPLES:
            file = folder / "shared" / "benchmarks" / name
            if file.exists():
                yield from (json.loads(line)["answer"] for line in file.read_text(encoding="utf-8").splitlines())
