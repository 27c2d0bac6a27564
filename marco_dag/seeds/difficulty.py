"""How hard seeds are: the share of the base student's responses that the task's own verifier finds correct."""

import asyncio
import json

import polars as pl

from marco_dag.engines.protocol import Engine, Message, Request
from marco_dag.errors import EngineError, EngineUnavailableError, SeedError
from marco_dag.identity import derive_seed
from marco_dag.progress import progress
from marco_dag.schemas import SEED_DIFFICULTY
from marco_dag.seeds.config import DifficultyConfig
from marco_dag.tasks import get_task

_SEEDS_IN_FLIGHT = 1024


def measure_difficulty(engine: Engine, seeds: pl.DataFrame, config: DifficultyConfig, *, seed: int) -> pl.DataFrame:
    """`config.samples` responses to every seed (`schemas.SEED_PROMPTS`), checked: `schemas.SEED_DIFFICULTY`.

    A function of the model, the seeds and `seed`. A seed that the engine cannot serve (too long, say) has 0 samples and
    no pass rate. Starts an event loop. EngineUnavailableError where the engine is gone; no seeds give an empty table.
    """
    return asyncio.run(_measure(engine, seeds, config, seed))


def within_difficulty(seeds: pl.DataFrame, difficulty: pl.DataFrame, config: DifficultyConfig) -> pl.DataFrame:
    """The seeds whose pass rate lies in [`config.min_pass_rate`, `config.max_pass_rate`], in their order.

    A seed that could not be served is none of them. SeedError where a seed was not measured, or over another number of
    samples.
    """
    measured = difficulty.filter(pl.col("samples").is_in([config.samples, 0]))
    if missing := seeds.join(measured, on="seed_id", how="anti")["seed_id"].head(1).to_list():
        raise SeedError(
            f"seed {missing[0]}: no pass rate over {config.samples} samples is known; materialize seed_difficulty"
        )
    wanted = measured.filter(pl.col("pass_rate").is_between(config.min_pass_rate, config.max_pass_rate))
    return seeds.join(wanted, on="seed_id", how="semi", maintain_order="left")


async def _measure(engine: Engine, seeds: pl.DataFrame, config: DifficultyConfig, seed: int) -> pl.DataFrame:
    free = asyncio.Semaphore(_SEEDS_IN_FLIGHT)
    with progress("difficulty of seeds", seeds.height, "seeds") as bar:

        async def measure(row: dict[str, str]) -> tuple[str, str, int, int, int, float | None]:
            request = Request(
                (Message("user", row["prompt"] + config.suffix),),
                n=config.samples,
                max_tokens=config.max_tokens,
                temperature=config.temperature,
                top_p=config.top_p,
                seed=derive_seed("difficulty", seed, row["seed_id"]),
            )
            async with free:
                try:
                    completions = await engine.complete(request)
                except EngineUnavailableError:
                    raise
                except EngineError:
                    completions = []
            task, reference = get_task(row["task"]), json.loads(row["reference"])
            outcomes = [task.verify(completion.text, reference).outcome for completion in completions]
            bar.advance()
            correct, silent = outcomes.count("correct"), outcomes.count("no_answer")
            rate = correct / len(outcomes) if outcomes else None
            return row["batch"], row["seed_id"], len(outcomes), correct, silent, rate

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(measure(row)) for row in seeds.iter_rows(named=True)]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        finally:
            await engine.close()
    return pl.DataFrame([task.result() for task in tasks], schema=SEED_DIFFICULTY, orient="row")
