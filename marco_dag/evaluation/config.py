"""What a profile says about scoring checkpoints."""

import re
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from marco_dag.config import Config
from marco_dag.evaluation.benchmarks import BenchmarkConfig
from marco_dag.search.config import NO_END_BUT_TOKENS, SearchConfig, SelfScoredConfig
from marco_dag.tasks import TASKS

ALL_BENCHMARKS = "all"
"""The summary's name for all held-out questions together, each counting once."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


class MctsDecodingConfig(Config):
    """Tree search by a checkpoint alone, without any reference, beside plain sampling (paper, Table 7)."""

    tries: tuple[int, ...] = (1, 8, 32)
    """N of Test@N, each ≥ 1, rising: so many responses are sampled, and a search gets as many tokens as they take."""
    tokens_per_try: int | None = Field(None, ge=1)
    """Tokens that a search gets for each try, ≥ 1; null: what a sampled response to its question takes on average."""
    held_out_per_task: int = Field(25, ge=0)
    """Held-out questions of each task that are decoded, the first ones, ≥ 0."""
    benchmarks: tuple[str, ...] = ()
    """Benchmarks of the profile that are decoded too, with all their questions; those of one turn."""
    scored_by: Literal["vote", "confidence"] = "vote"
    """What a finished chain is worth to a search that is told of none whether it is right: see `SelfScoredConfig`."""
    search: dict[str, JsonValue] = Field({"instructions": ""})
    """Fields of the profile's `search` that differ here. A checkpoint is asked without a system message everywhere."""

    @field_validator("tries")
    @classmethod
    def _tries_rise(cls, tries: tuple[int, ...]) -> tuple[int, ...]:
        if not tries or tries[0] < 1 or any(later <= earlier for earlier, later in pairwise(tries)):
            raise ValueError("must be numbers of at least 1, each greater than the one before, such as [1, 8, 32]")
        return tries

    def search_config(self, search: SearchConfig) -> SelfScoredConfig:
        """`search` as decoding changes it: only its tokens end a tree. ValueError names a field that is wrong."""
        changed = {**search.model_dump(), **NO_END_BUT_TOKENS, "solved_subtree": None, **self.search}
        try:
            return SelfScoredConfig.model_validate({**changed, "scored_by": self.scored_by})
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(str(part) for part in problem["loc"])
            raise ValueError(f"mcts_decoding.search.{field}: {problem['msg']}") from error


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

    mcts_decoding: MctsDecodingConfig = MctsDecodingConfig()
    """How checkpoints are decoded by tree search, where the asset `mcts_decoding` is asked for."""

    @model_validator(mode="after")
    def _decoded_benchmarks_are_there(self) -> Self:
        if missing := [name for name in self.mcts_decoding.benchmarks if name not in self.benchmarks]:
            raise ValueError(f"mcts_decoding.benchmarks: {missing[0]!r} is not among benchmarks; name it there first")
        return self

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
