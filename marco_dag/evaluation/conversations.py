"""What a checkpoint is asked: held-out and published questions as conversations, all checked before any is asked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from marco_dag.engines.protocol import Message, Request
from marco_dag.errors import EvaluationError, TaskError
from marco_dag.evaluation.benchmarks import Procedure
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.identity import derive_seed
from marco_dag.tasks import get_task
from marco_dag.tasks.protocol import Reference, Task

Decoding: TypeAlias = Literal["greedy", "sampled"]
"""How an answer was decoded: at temperature 0, or sampled."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One question, to be answered once: turn by turn, one response a turn."""

    question_id: str
    benchmark: str
    task: Task
    language: str | None
    prompts: Sequence[str]
    """What the user says, turn by turn."""
    references: Sequence[Reference]
    """For each turn, what checks the answer to it."""
    procedure: Procedure
    decoding: Decoding
    sample: int
    seed: int

    def request(self, replies: Sequence[str]) -> Request:
        """The request of the turn that follows `replies`, the model's own so far; at most as many as turns less one."""
        turn = len(replies)
        messages = [Message("user", self.prompts[0])]
        for reply, prompt in zip(replies, self.prompts[1:], strict=False):
            messages += [Message("assistant", reply), Message("user", prompt)]
        if self.decoding == "greedy":
            return Request(tuple(messages), max_tokens=self.procedure.max_tokens, temperature=0.0)
        return Request(
            tuple(messages),
            max_tokens=self.procedure.max_tokens,
            temperature=self.procedure.temperature,
            top_p=self.procedure.top_p,
            seed=derive_seed(self.seed, self.question_id, self.sample, *([turn] if turn else [])),
        )


def held_out_conversations(questions: pl.DataFrame, config: EvaluationConfig, seed: int) -> list[Conversation]:
    """Held-out questions (schemas.SEED_PROMPTS), each greedily, then `config.samples` times; as `_conversations`."""
    procedure = Procedure(
        samples=config.samples, temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens
    )
    return _conversations(
        [
            _Question(
                row["seed_id"], row["task"], row["task"], None, (row["prompt"],), f"[{row['reference']}]", procedure
            )
            for row in questions.iter_rows(named=True)
        ],
        seed,
    )


def benchmark_conversations(
    questions: pl.DataFrame, procedures: Mapping[str, Procedure], seed: int
) -> list[Conversation]:
    """Benchmark questions (schemas.BENCHMARK_QUESTIONS), as the procedure of their benchmark says.

    As `_conversations`; and EvaluationError for a benchmark that has no procedure.
    """
    if unknown := set(questions["benchmark"]) - procedures.keys():
        raise EvaluationError(f"no procedure for benchmark {min(unknown)!r}; given: {', '.join(procedures)}")
    return _conversations(
        [
            _Question(
                row["question_id"],
                row["benchmark"],
                row["task"],
                row["language"],
                json.loads(row["prompts"]),
                row["reference"],
                procedures[row["benchmark"]],
            )
            for row in questions.iter_rows(named=True)
        ],
        seed,
    )


@dataclass(frozen=True, slots=True)
class _Question:
    question_id: str
    benchmark: str
    task: str
    language: str | None
    prompts: Sequence[str]
    references: str
    """JSON list, one a turn."""
    procedure: Procedure


def _conversations(questions: Sequence[_Question], seed: int) -> list[Conversation]:
    """Every conversation, in the order of the questions, greedy before sampled.

    EvaluationError names the question that stands twice, is of no task, or cannot be checked.
    """
    seen: set[str] = set()
    found: list[Conversation] = []
    for question in questions:
        if question.question_id in seen:
            raise EvaluationError(f"question {question.question_id}: stands more than once; drop the repeats")
        seen.add(question.question_id)
        try:
            task, references = get_task(question.task), json.loads(question.references)
            for reference in references:
                task.check_reference(reference)
        except (TaskError, ValueError) as error:
            raise EvaluationError(f"question {question.question_id}: {error}") from error
        answers: list[tuple[Decoding, int]] = [("greedy", 0)] if question.procedure.greedy else []
        answers += [("sampled", sample) for sample in range(question.procedure.samples)]
        found += [
            Conversation(
                question.question_id,
                question.benchmark,
                task,
                question.language,
                question.prompts,
                references,
                question.procedure,
                decoding,
                sample,
                seed,
            )
            for decoding, sample in answers
        ]
    return found
