"""What a check of instruction following costs: on published requests, and on the most hostile responses known.

Requests come from `shared/benchmarks` above the repository where they are, else from the task's own generator;
responses are made here, of the length that models write.
"""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.figure import Figure
from marco_dag.identity import JsonValue
from marco_dag.tasks import Reference
from marco_dag.tasks.ifeval import IfEvalTask, judge

_SAMPLES = ("ifeval/ifeval.jsonl", "multi_if/multi_if_english.jsonl")
_CHECKS = 1000
_SENTENCES = (
    "The river rises early in the year, and the ferry stops for a week.",
    "Nobody in the village remembers who built the bridge.",
    "* A point that *matters* to Mr. Brown",
    "Is it worth the price?",
    "P.S. My answer is maybe.",
    'She said "Wait!" and closed the door.',
)
_HOSTILE_CHARS = 200_000
_HOSTILE_UNITS = ("a", "\n*a\n", "*\n", "a\n\n", "[", "<<>", "“", "'", "中。", "न। ", ". ", "a@b ")
_UNREACHABLE: Mapping[str, Mapping[str, JsonValue]] = {
    "length_constraints:number_sentences": {"num_sentences": 10**6, "relation": "at least"},
    "length_constraints:number_words": {"num_words": 10**6, "relation": "at least"},
    "language:response_language": {"language": "fi"},
    "change_case:capital_word_frequency": {"capital_frequency": 10**6, "capital_relation": "at least"},
    "detectable_format:number_bullet_lists": {"num_bullets": 10**6},
    "detectable_format:multiple_sections": {"section_spliter": "a" * 200, "num_sections": 10**6},
}
"""The kinds that cost most, with values that no response reaches, so that each of its versions is judged."""


def measure() -> list[Figure]:
    """CPU time of a verdict and of a judgement, strict and loose, of ordinary responses, and of the worst judgement."""
    task, rng = IfEvalTask(), random.Random(0)
    references = _references(task, rng)
    asked = [(_response(rng), rng.choice(references)) for _ in range(_CHECKS)]
    for warm_up in (task.verify, judge):
        _ = [warm_up(*one) for one in asked[:50]]
    return [
        Figure("verify.instruction_ms", "ms", [1000 * _seconds(task.verify, *one) for one in asked]),
        Figure("verify.instruction_judge_ms", "ms", [1000 * _seconds(judge, *one) for one in asked]),
        Figure("verify.instruction_worst_s", "s", [max(_hostile_seconds())]),
    ]


def _references(task: IfEvalTask, rng: random.Random) -> Sequence[Reference]:
    """The published references, those of Multi-IF's last turns included."""
    for folder in Path(__file__).resolve().parents:
        files = [folder / "shared" / "benchmarks" / name for name in _SAMPLES]
        if all(file.exists() for file in files):
            rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
            turns = [(row["turns"][-1], {"language": "en"}) if "turns" in row else (row, {}) for row in rows]
            return [{key: turn[key] for key in ("instruction_id_list", "kwargs")} | book for turn, book in turns]
    return [task.generate(rng).reference for _ in range(_CHECKS)]


def _response(rng: random.Random) -> str:
    """Some 300 to 3,000 characters."""
    sentences = rng.choices(_SENTENCES, k=rng.randint(6, 60))
    return "".join(sentence + rng.choice((" ", " ", "\n", "\n\n")) for sentence in sentences)


def _hostile_seconds() -> list[float]:
    """One judgement by each of the dearest kinds on each hostile response."""
    return [
        _seconds(
            judge,
            f"x,\n{unit * (_HOSTILE_CHARS // len(unit))}\ny*",
            {"instruction_id_list": [kind], "kwargs": [{**kwargs}], "language": "zh"},
        )
        for unit in _HOSTILE_UNITS
        for kind, kwargs in _UNREACHABLE.items()
    ]


def _seconds(check: Callable[[str, Reference], object], response: str, reference: Reference) -> float:
    """CPU time, which other processes change little."""
    start = time.process_time()
    check(response, reference)
    return time.process_time() - start
