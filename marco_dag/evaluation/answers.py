"""A checkpoint answers held-out questions and published benchmarks; one row a response, with its verdict.

Answers are checked by the task's own verifier, the code that is also the reward of the search. Nothing is summed up
here (`marco_dag.evaluation.summary`).
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

import polars as pl

from marco_dag import schemas
from marco_dag.engines.protocol import Completion, Engine
from marco_dag.errors import EngineError, EngineUnavailableError, EvaluationError
from marco_dag.evaluation.benchmarks import Procedure
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.evaluation.conversations import Conversation, benchmark_conversations, held_out_conversations
from marco_dag.evaluation.marking import mark
from marco_dag.progress import Progress, progress

# Far above any engine's batch, so that it never waits for work; a bound, so that a huge benchmark spares the memory.
_CONVERSATIONS_IN_FLIGHT = 4096


def answer_questions(
    engine: Engine,
    questions: pl.DataFrame,
    config: EvaluationConfig,
    *,
    checkpoint: str,
    checkpoint_digest: str,
    seed: int,
) -> pl.DataFrame:
    """The scores (schemas.SCORES) of every question (schemas.SEED_PROMPTS), answered once greedily, then sampled.

    Each question gets `config.samples` sampled responses. Rows stand by question in the order given, greedy before
    sampled, then by sample. The seed of a sampled request depends on `seed`, the question and the sample and not on
    the checkpoint, so that checkpoints are compared in pairs.
    Starts an event loop: inside a running one (a notebook) await `ask_questions` instead. EvaluationError names the
    question that cannot be asked or served; no questions give an empty table.
    """
    return asyncio.run(
        ask_questions(engine, questions, config, checkpoint=checkpoint, checkpoint_digest=checkpoint_digest, seed=seed)
    )


async def ask_questions(
    engine: Engine,
    questions: pl.DataFrame,
    config: EvaluationConfig,
    *,
    checkpoint: str,
    checkpoint_digest: str,
    seed: int,
) -> pl.DataFrame:
    """`answer_questions` for a running event loop."""
    return await _scores(engine, held_out_conversations(questions, config, seed), checkpoint, checkpoint_digest)


def answer_benchmarks(
    engine: Engine,
    questions: pl.DataFrame,
    procedures: Mapping[str, Procedure],
    *,
    checkpoint: str,
    checkpoint_digest: str,
    seed: int,
) -> pl.DataFrame:
    """The scores (schemas.SCORES) of published questions (schemas.BENCHMARK_QUESTIONS), one row a turn.

    `procedures` says for each benchmark how it is asked. A turn's prompt holds the turns before it and the model's own
    replies to them; one that no longer fits the model's context is not asked and counts as clipped, without an answer.
    Rows and seeds as `answer_questions`, then by turn; so are its errors, and what to do in a notebook: await
    `ask_benchmarks`.
    """
    return asyncio.run(
        ask_benchmarks(
            engine, questions, procedures, checkpoint=checkpoint, checkpoint_digest=checkpoint_digest, seed=seed
        )
    )


async def ask_benchmarks(
    engine: Engine,
    questions: pl.DataFrame,
    procedures: Mapping[str, Procedure],
    *,
    checkpoint: str,
    checkpoint_digest: str,
    seed: int,
) -> pl.DataFrame:
    """`answer_benchmarks` for a running event loop."""
    return await _scores(engine, benchmark_conversations(questions, procedures, seed), checkpoint, checkpoint_digest)


async def _scores(
    engine: Engine, conversations: Sequence[Conversation], checkpoint: str, checkpoint_digest: str
) -> pl.DataFrame:
    try:
        answered = await _converse_all(engine, conversations, checkpoint)
    finally:
        await engine.close()
    rows = [
        {"checkpoint": checkpoint, "checkpoint_digest": checkpoint_digest, **mark(conversation, turn, completion)}
        for conversation, completions in zip(conversations, answered, strict=True)
        for turn, completion in enumerate(completions)
    ]
    return schemas.conform(pl.DataFrame(rows, infer_schema_length=None), "scores")


async def _converse_all(
    engine: Engine, conversations: Sequence[Conversation], checkpoint: str
) -> list[list[Completion]]:
    """The completions of each conversation, turn by turn; the first that fails ends the others."""
    free = asyncio.Semaphore(_CONVERSATIONS_IN_FLIGHT)
    turns = sum(len(conversation.prompts) for conversation in conversations)
    with progress(f"answers of {checkpoint}", turns, "responses") as bar:
        meter = _TokenMeter(bar)

        async def converse(conversation: Conversation) -> list[Completion]:
            async with free:
                try:
                    return await _converse(engine, conversation, meter)
                except EngineError as error:
                    where = f"checkpoint {checkpoint}, question {conversation.question_id}"
                    raise EvaluationError(f"{where}: {error}") from error

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(converse(conversation)) for conversation in conversations]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


async def _converse(engine: Engine, conversation: Conversation, meter: "_TokenMeter") -> list[Completion]:
    completions: list[Completion] = []
    for turn in range(len(conversation.prompts)):
        request = conversation.request([completion.text for completion in completions])
        try:
            [completion] = await engine.complete(request)
        except EngineUnavailableError:
            raise
        except EngineError:
            if turn == 0:
                raise
            completion = Completion("", 0, "length")  # the history has outgrown the model's context
        meter.count(completion)
        completions.append(completion)
    return completions


class _TokenMeter:
    """Shows responses done and tokens a second."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tokens = 0
        self._start = time.perf_counter()

    def count(self, completion: Completion) -> None:
        self._tokens += completion.tokens
        seconds = time.perf_counter() - self._start
        self._bar.advance(1, tokens_per_s=f"{self._tokens / max(seconds, 1e-9):,.0f}")
