"""Accuracy, no-answer and degeneration measures of a checkpoint.

Asking (`answer_questions`), measuring one response (`repetition`, `reflections`) and summing up (`summarize`,
`compare`) are apart: scores are kept answer by answer, so that a later question about them needs no model.
"""

from marco_dag.evaluation.answers import answer_questions, ask_questions
from marco_dag.evaluation.intervals import Estimate
from marco_dag.evaluation.measures import REFLECTION_WORDS, REPETITION_WORDS, reflections, repetition
from marco_dag.evaluation.summary import ALL_BENCHMARKS, SUMMARY, Comparison, Decoding, compare, summarize

EVALUATION_VERSION = "1"
"""Raise it with any change to what a score says: older scores are then made anew."""

__all__ = [
    "ALL_BENCHMARKS",
    "EVALUATION_VERSION",
    "REFLECTION_WORDS",
    "REPETITION_WORDS",
    "SUMMARY",
    "Comparison",
    "Decoding",
    "Estimate",
    "answer_questions",
    "ask_questions",
    "compare",
    "reflections",
    "repetition",
    "summarize",
]
