"""Published benchmarks: readers of their files and of the hub, and how the field asks them."""

from marco_dag.evaluation.benchmarks.config import BenchmarkConfig
from marco_dag.evaluation.benchmarks.loading import LoadedBenchmark, load_benchmark
from marco_dag.evaluation.benchmarks.protocol import Benchmark, HubName, Item, Procedure, Row, RowError
from marco_dag.evaluation.benchmarks.registry import BENCHMARKS

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "BenchmarkConfig",
    "HubName",
    "Item",
    "LoadedBenchmark",
    "Procedure",
    "Row",
    "RowError",
    "load_benchmark",
]
