"""A checkpoint answers the held-out questions: once greedily, then sampled; one row a response.

Answers are checked by the task's own verifier, the code that is also the reward of the search. Nothing is summed up
here (`marco_dag.evaluation.summary`).
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from marco_dag import schemas
from marco_dag.engines.protocol import Completion, Engine, Message, Request
from marco_dag.errors import EngineError, EvaluationError, TaskError
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.evaluation.measures import reflections, repetition
from marco_dag.evaluation.summary import Decoding
from marco_dag.identity import derive_seed
from marco_dag.progress import Progress, progress
from marco_dag.tasks import get_task
from marco_dag.tasks.protocol import Reference, Task

# Far above any engine's batch, so that it never waits for work; a bound, so that a huge benchmark spares the memory.
_REQUESTS_IN_FLIGHT = 4096


@dataclass(frozen=True, slots=True)
class _Ask:
    """One response to be asked for."""

    question_id: str
    task: Task
    reference: Reference
    decoding: Decoding
    sample: int
    request: Request


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
    asks = _asks(questions, config, seed)
    try:
        completions = await _complete(engine, asks, checkpoint)
    finally:
        await engine.close()
    rows = [
        {"checkpoint": checkpoint, "checkpoint_digest": checkpoint_digest, **_score(ask, completion)}
        for ask, completion in zip(asks, completions, strict=True)
    ]
    return schemas.conform(pl.DataFrame(rows), "scores")


def _asks(questions: pl.DataFrame, config: EvaluationConfig, seed: int) -> list[_Ask]:
    """Every response to be asked for, in the order of the rows; nothing is asked while one of them is bad."""
    repeated = questions.filter(pl.col("seed_id").is_duplicated())
    if not repeated.is_empty():
        raise EvaluationError(f"question {repeated['seed_id'][0]}: stands more than once; drop the repeats")
    asks = []
    for row in questions.iter_rows(named=True):
        try:
            task, reference = get_task(row["task"]), json.loads(row["reference"])
            task.check_reference(reference)
        except (TaskError, ValueError) as error:
            raise EvaluationError(f"question {row['seed_id']}: {error}") from error
        messages = (Message("user", row["prompt"]),)
        greedy = Request(messages, max_tokens=config.max_tokens, temperature=0.0)
        asks.append(_Ask(row["seed_id"], task, reference, "greedy", 0, greedy))
        for sample in range(config.samples):
            sampled = Request(
                messages,
                max_tokens=config.max_tokens,
                temperature=config.temperature,
                top_p=config.top_p,
                seed=derive_seed(seed, row["seed_id"], sample),
            )
            asks.append(_Ask(row["seed_id"], task, reference, "sampled", sample, sampled))
    return asks


async def _complete(engine: Engine, asks: Sequence[_Ask], checkpoint: str) -> list[Completion]:
    """The completion of each ask, in order; the first that fails ends the others."""
    free = asyncio.Semaphore(_REQUESTS_IN_FLIGHT)
    with progress(f"answers of {checkpoint}", len(asks), "responses") as bar:
        meter = _TokenMeter(bar)

        async def complete(ask: _Ask) -> Completion:
            async with free:
                try:
                    [completion] = await engine.complete(ask.request)
                except EngineError as error:
                    raise EvaluationError(f"checkpoint {checkpoint}, question {ask.question_id}: {error}") from error
            meter.count(completion)
            return completion

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(complete(ask)) for ask in asks]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


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


def _score(ask: _Ask, completion: Completion) -> dict[str, object]:
    verdict = ask.task.verify(completion.text, ask.reference)
    return {
        "benchmark": ask.task.name,
        "question_id": ask.question_id,
        "decoding": ask.decoding,
        "sample": ask.sample,
        "correct": verdict.outcome == "correct",
        "answered": verdict.outcome != "no_answer",
        "clipped": completion.finish_reason == "length",
        "tokens": completion.tokens,
        "repetition": repetition(completion.text),
        "reflections": reflections(completion.text),
        "verdict": verdict.reason,
        "response": completion.text,
    }
