"""Which seeds are a benchmark's question, or hold a part of one.

Two ways to match: the same words in the same order (`marco_dag.seeds.wording`), and a run of words in common
(`marco_dag.seeds.overlap`). Does not drop anything (`marco_dag.seeds.screening`).
"""

from collections.abc import Iterator

import polars as pl

from marco_dag.seeds.config import DecontaminationConfig
from marco_dag.seeds.generated import GENERATED
from marco_dag.seeds.overlap import OverlapIndex
from marco_dag.seeds.wording import words_of

BENCHMARK_QUESTIONS = pl.Schema({"benchmark": pl.String, "question_id": pl.String, "prompt": pl.String})
"""What seeds are compared with: a row a question, or several where a question has several turns."""

OVERLAPS = pl.Schema(
    {
        "seed": pl.Int64,  # row of the seeds
        "benchmark": pl.String,
        "question_id": pl.String,
        "question": pl.String,
        "match": pl.String,
        "words": pl.Int64,
        "overlap": pl.String,
    }
)
"""A seed and a question that it overlaps with; the columns are those of `schemas.SEED_OVERLAPS`."""

_QUESTIONS_A_SEED = 5


def held_out_as_benchmarks(held_out_questions: pl.DataFrame) -> pl.DataFrame:
    """The held-out questions (`schemas.SEED_PROMPTS`) as BENCHMARK_QUESTIONS: each task is a benchmark of its own."""
    return held_out_questions.select(benchmark="task", question_id="seed_id", prompt="prompt")


class Decontamination:
    """Compares seeds with the questions of every benchmark in use."""

    def __init__(self, questions: pl.DataFrame, config: DecontaminationConfig) -> None:
        """`questions`: BENCHMARK_QUESTIONS."""
        self._questions = questions.select(BENCHMARK_QUESTIONS.names()).rows()
        self._config = config
        texts = [words_of(prompt) for _, _, prompt in self._questions]
        self._equal: dict[str, list[int]] = {}
        for index, words in enumerate(texts):
            self._equal.setdefault(" ".join(words), []).append(index)
        groups = [benchmark for benchmark, _, _ in self._questions]
        self._runs = OverlapIndex(texts, groups, words=config.words, min_words=config.min_words, common=config.common)

    def overlaps(self, seeds: pl.DataFrame) -> pl.DataFrame:
        """Every seed (`schemas.SEED_PROMPTS`) that overlaps with a question, and with which: OVERLAPS.

        Up to five questions a seed; where one is equal, only the equal ones.
        """
        texts = [words_of(prompt) for prompt in seeds["prompt"]]
        rows = list(self._equal_rows(texts))
        equal = {seed for seed, *_ in rows}
        by_runs = [
            seed
            for seed, (task, source) in enumerate(seeds.select("task", "source").iter_rows())
            if seed not in equal and source != GENERATED and task not in self._config.whole_only
        ]
        for match in self._runs.matches([texts[seed] for seed in by_runs], most=_QUESTIONS_A_SEED):
            seed = by_runs[match.asked]
            shared = texts[seed][match.start : match.start + match.words]
            rows.append((seed, *self._questions[match.indexed], "n-gram", len(shared), " ".join(shared)))
        return pl.DataFrame(rows, schema=OVERLAPS, orient="row").sort("seed", maintain_order=True)

    def _equal_rows(self, texts: list[list[str]]) -> Iterator[tuple[int, str, str, str, str, int, str]]:
        for seed, words in enumerate(texts):
            text = " ".join(words)
            for index in self._equal.get(text, ())[:_QUESTIONS_A_SEED]:
                benchmark, question_id, prompt = self._questions[index]
                yield seed, benchmark, question_id, prompt, "equal", len(words), text
