"""What a profile says about a published benchmark."""

from dataclasses import fields, replace

from pydantic import Field, model_validator

from marco_dag.config import Config
from marco_dag.evaluation.benchmarks.files import SUFFIXES
from marco_dag.evaluation.benchmarks.protocol import Benchmark, HubName, Procedure
from marco_dag.evaluation.benchmarks.registry import BENCHMARKS


class BenchmarkConfig(Config):
    """A published benchmark: where its questions are, and how they are asked. Null takes what the field does."""

    format: str | None = None
    """Whose rows and whose procedure: GSM8K, MATH-500, AIME, PlanBench, IFEval or Multi-IF; null: its name in the
    profile."""
    source: str | None = None
    """A file (.jsonl, .ndjson, .json, .csv, .parquet; relative paths start at the storage root), or else a data set
    of the Hugging Face hub; null: the benchmark's own there."""
    subset: str | None = None
    """Configuration of the hub's data set; null: the benchmark's own, or none of another data set."""
    split: str | None = None
    """Split of the hub's data set; null: the benchmark's own."""
    limit: int | None = Field(None, ge=1)
    """Questions asked, the first ones of the source, ≥ 1; null: all."""
    prompt: str | None = None
    """What the user says in a turn, with `{question}` where the question stands, and `{example}` for a worked
    example; null: the benchmark's own."""
    greedy: bool | None = None
    """Whether each question is answered once at temperature 0; null: the benchmark's own."""
    samples: int | None = Field(None, ge=0)
    """Sampled responses a question, ≥ 0; null: the benchmark's own."""
    temperature: float | None = Field(None, gt=0)
    """Temperature of the sampled responses, > 0; null: the benchmark's own."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus mass of the sampled responses, in (0, 1]; null: the benchmark's own."""
    max_tokens: int | None = Field(None, ge=1)
    """Sampled tokens a response may have in one turn, ≥ 1; a longer one is clipped; null: the benchmark's own."""

    @model_validator(mode="after")
    def _prompt_asks(self) -> "BenchmarkConfig":
        if self.prompt is not None and "{question}" not in self.prompt:
            raise ValueError("prompt: must hold {question}, where the question stands")
        return self

    def benchmark(self, name: str) -> Benchmark:
        """The benchmark that the profile calls `name`; ValueError where its format has no reader."""
        wanted = self.format or name
        found = {known.lower(): benchmark for known, benchmark in BENCHMARKS.items()}.get(wanted.lower())
        if found is None:
            raise ValueError(
                f"{name}: no benchmark {wanted!r}; known: {', '.join(BENCHMARKS)}; "
                "under a name of your own, say which one it is with `format`"
            )
        return found

    def procedure(self, name: str) -> Procedure:
        """How the benchmark's questions are asked: what is said here, else what the field does."""
        said = {field.name: getattr(self, field.name) for field in fields(Procedure)}
        return replace(self.benchmark(name).procedure, **{name: v for name, v in said.items() if v is not None})

    def is_file(self) -> bool:
        """Whether the source is a file; else it is a data set."""
        return self.source is not None and self.source.lower().endswith(SUFFIXES)

    def hub(self, name: str) -> HubName:
        """The data set of the hub that is read where the source is no file."""
        own = self.benchmark(name).hub
        path = self.source or own.path
        subset = self.subset or (own.subset if path == own.path else None)
        return HubName(path, self.split or own.split, subset)
