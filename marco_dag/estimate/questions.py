"""How many questions a profile asks, without reading any that lie elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from marco_dag.errors import ProfileError
from marco_dag.evaluation.benchmarks import BenchmarkConfig
from marco_dag.profiles import Profile

PUBLISHED: Mapping[str, int] = {
    "GSM8K": 1319,
    "MATH-500": 500,
    "AIME": 30,
    "PlanBench": 500,
    "IFEval": 541,
    "Multi-IF": 13_447,  # turns of 4,501 conversations
}
"""Responses to one pass over a benchmark's test set, as it is published."""


def training_questions(profile: Profile, known: int | None = None) -> int:
    """Seeds that are searched: `known`, else what is generated and what the sources hold or are limited to.

    ProfileError where a source has no limit and is no file here.
    """
    if known is not None:
        return known
    seeds = profile.seeds
    return seeds.generated_per_task * len(seeds.tasks) + sum(
        _source_questions(name, source.limit, source.path) for name, source in seeds.sources.items()
    )


def benchmark_responses(name: str, config: BenchmarkConfig) -> int:
    """Responses to a benchmark: its questions or `limit`, each greedily, or sampled, or both."""
    procedure = config.procedure(name)
    published = PUBLISHED[config.benchmark(name).name]
    questions = published if config.limit is None else min(published, config.limit)
    return questions * (procedure.greedy + procedure.samples)


def _source_questions(name: str, limit: int | None, path: str | None) -> int:
    if limit is not None:
        return limit
    if path is not None and Path(path).is_file():
        if path.endswith(".parquet"):
            import polars as pl

            return int(pl.scan_parquet(path).select(pl.len()).collect().item())
        with Path(path).open("rb") as file:
            return sum(1 for line in file if line.strip())
    raise ProfileError(f"seeds.sources.{name}: has no limit and is no file here; say how many with --questions")
