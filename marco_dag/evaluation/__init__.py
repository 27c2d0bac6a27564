"""Accuracy, no-answer and degeneration measures of a checkpoint, on held-out questions and published benchmarks.

Reading (`benchmarks`), asking (`answer_questions`, `answer_benchmarks`), measuring one response (`repetition`,
`reflections`) and summing up (`summarize`, `repeats`, `instruction_scores`, `compare`) are apart: scores are kept
answer by answer, so that a later question about them needs no model.
"""

from marco_dag.evaluation.answers import answer_benchmarks, answer_questions, ask_benchmarks, ask_questions
from marco_dag.evaluation.benchmarks import BENCHMARKS, BenchmarkConfig, Procedure, load_benchmark
from marco_dag.evaluation.config import ALL_BENCHMARKS
from marco_dag.evaluation.conversations import Decoding
from marco_dag.evaluation.decoding import decode, questions_to_decode
from marco_dag.evaluation.decoding_summary import TEST_AT_N, summarize_decoding
from marco_dag.evaluation.instruction_scores import INSTRUCTION_SCORES, instruction_scores
from marco_dag.evaluation.intervals import Estimate
from marco_dag.evaluation.measures import REFLECTION_WORDS, REPETITION_WORDS, reflections, repetition
from marco_dag.evaluation.repeats import REPEATS, repeats
from marco_dag.evaluation.summary import SUMMARY, Comparison, compare, published_benchmarks, summarize

SCORES_FILE = "scores.parquet"
"""Where in an artifact of the store scores lie."""

EVALUATION_VERSION = "2"
"""Raise it with any change to what a score says: older scores are then made anew."""

DECODING_VERSION = "1"
"""Raise it with any change to what decoding by search finds: older tables are then made anew."""

__all__ = [
    "ALL_BENCHMARKS",
    "BENCHMARKS",
    "DECODING_VERSION",
    "EVALUATION_VERSION",
    "INSTRUCTION_SCORES",
    "REFLECTION_WORDS",
    "REPEATS",
    "REPETITION_WORDS",
    "SCORES_FILE",
    "SUMMARY",
    "TEST_AT_N",
    "BenchmarkConfig",
    "Comparison",
    "Decoding",
    "Estimate",
    "Procedure",
    "answer_benchmarks",
    "answer_questions",
    "ask_benchmarks",
    "ask_questions",
    "compare",
    "decode",
    "instruction_scores",
    "load_benchmark",
    "published_benchmarks",
    "questions_to_decode",
    "reflections",
    "repeats",
    "repetition",
    "summarize",
    "summarize_decoding",
]
