"""What a profile says about scoring checkpoints."""

import re
from typing import Self

from pydantic import Field, model_validator

from marco_dag.config import Config
from marco_dag.evaluation.benchmarks import BenchmarkConfig
from marco_dag.tasks import TASKS

ALL_BENCHMARKS = "all"
"""The summary's name for all held-out questions together, each counting once."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


class EvaluationConfig(Config):
    """How a checkpoint is scored: how it answers the held-out questions, and which published benchmarks it answers."""

    max_tokens: int = Field(1024, ge=1)
    """Sampled tokens a response to a held-out question may have, ≥ 1; a longer one is clipped."""
    temperature: float = Field(1.0, gt=0)
    """Temperature of the sampled pass, > 0; the other pass is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus mass of the sampled pass, in (0, 1]."""
    samples: int = Field(1, ge=1)
    """Sampled responses a question, ≥ 1."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Coverage of the reported intervals, in (0, 1)."""
    no_answer_limit: float = Field(0.05, ge=0, le=1)
    """The check on a second-stage checkpoint blocks above this sampled no-answer rate, in [0, 1]."""
    benchmarks: dict[str, BenchmarkConfig] = Field(default_factory=dict)
    """The published benchmarks by name: GSM8K, MATH-500, AIME, PlanBench, IFEval, Multi-IF, or a name of your own with
    `format`."""

    @model_validator(mode="after")
    def _benchmarks_are_known(self) -> Self:
        for name, config in self.benchmarks.items():
            if name in TASKS or name == ALL_BENCHMARKS or not _NAME.fullmatch(name):
                raise ValueError(
                    f"benchmarks: {name!r} cannot name one: letters, digits, spaces, dots, dashes and underscores, "
                    f"and none of {', '.join((ALL_BENCHMARKS, *TASKS))}, which mean something else in the scores"
                )
            procedure = config.procedure(name)
            if not procedure.greedy and not procedure.samples:
                raise ValueError(f"benchmarks: {name}: neither greedy nor sampled; set samples, or greedy to true")
        return self
