"""Every published benchmark that has a reader, by its name."""

from collections.abc import Mapping

from marco_dag.evaluation.benchmarks.aime import Aime
from marco_dag.evaluation.benchmarks.gsm8k import Gsm8k
from marco_dag.evaluation.benchmarks.ifeval import IfEval
from marco_dag.evaluation.benchmarks.math500 import Math500
from marco_dag.evaluation.benchmarks.multi_if import MultiIf
from marco_dag.evaluation.benchmarks.planbench import PlanBench
from marco_dag.evaluation.benchmarks.protocol import Benchmark

BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark for benchmark in (Gsm8k(), Math500(), Aime(), PlanBench(), IfEval(), MultiIf())
}
"""Every published benchmark that has a reader, by its name."""
