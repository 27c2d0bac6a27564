"""Which seeds are a benchmark's question, or hold a part of one.

Two ways to match: the same words in the same order (`marco_dag.seeds.wording`), and a run of words in common
(`marco_dag.seeds.overlap`). Does not drop anything (`marco_dag.seeds.screening`).
"""

import json
from collections.abc import Iterator

import polars as pl

from marco_dag.seeds.config import DecontaminationConfig
from marco_dag.seeds.generated import GENERATED
from marco_dag.seeds.overlap import OverlapIndex
from marco_dag.seeds.wording import words_of
from marco_dag.tasks.planbench import PlanBenchTask, zero_shot_prompt

QUESTION_TEXTS = pl.Schema({"benchmark": pl.String, "question_id": pl.String, "text": pl.String})
"""What seeds are compared with: the texts of benchmarks' questions, one or several of each."""

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


def question_texts(held_out_questions: pl.DataFrame, benchmark_questions: pl.DataFrame) -> pl.DataFrame:
    """The texts (QUESTION_TEXTS) of every question that checkpoints are scored on.

    `held_out_questions` (`schemas.SEED_PROMPTS`): each task is a benchmark of its own. `benchmark_questions`
    (`schemas.BENCHMARK_QUESTIONS`): the question in the benchmark's own words; besides, each turn of a conversation,
    and a PlanBench problem as the task `planbench` asks it.
    """
    held_out = held_out_questions.select(benchmark="task", question_id="seed_id", text="prompt")
    published = [
        (benchmark, question_id, text)
        for benchmark, question_id, task, question, prompts in benchmark_questions.select(
            "benchmark", "question_id", "task", "question", "prompts"
        ).iter_rows()
        for text in _spellings(task, question, json.loads(prompts))
    ]
    return pl.concat([held_out, pl.DataFrame(published, schema=QUESTION_TEXTS, orient="row")])


def _spellings(task: str, question: str, prompts: list[str]) -> Iterator[str]:
    yield question
    if len(prompts) > 1:
        yield from prompts
    if task == PlanBenchTask.name:
        yield zero_shot_prompt(question)


class Decontamination:
    """Compares seeds with the questions of every benchmark in use."""

    def __init__(self, questions: pl.DataFrame, config: DecontaminationConfig) -> None:
        """`questions`: QUESTION_TEXTS."""
        self._questions = questions.select(QUESTION_TEXTS.names()).rows()
        self._config = config
        texts = [words_of(text) for _, _, text in self._questions]
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
