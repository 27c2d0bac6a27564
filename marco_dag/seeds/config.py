"""What a profile says about seed prompts."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints, model_validator

from marco_dag.config import Config

Take: TypeAlias = Literal["value", "text", "json", "after-hashes", "last-boxed"]
"""How a column's value is read: see `FieldConfig.take`."""

SourceName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
"""Lower-case letters, digits and single hyphens between them, at most 40 characters."""


class FieldConfig(Config):
    """Where a field of a question comes from."""

    column: str
    """The column, or the field of a JSONL row."""
    take: Take = "value"
    """`value`: as it stands. `text`: as a string, also where it is a number. `json`: the JSON that a string holds.
    `after-hashes`: the text behind the last `####`, thousands commas dropped (GSM8K). `last-boxed`: what the last
    `\\boxed{…}` holds (MATH)."""


def _as_field(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class SourceConfig(Config):
    """A set of questions that others published: each source is a batch of its own."""

    path: str | None = None
    """A JSONL or Parquet file; a relative path starts at the current folder. Either this or `dataset`."""
    dataset: str | None = None
    """A data set on the Hugging Face hub by name, or a folder that holds one; needs the library `datasets`."""
    subset: str | None = None
    """The data set's configuration; null where it has one only."""
    split: str = "train"
    """The data set's split; `train[:500]` takes a part of it."""
    revision: str | None = None
    """Commit or tag of the data set on the hub; null: the newest when it is first fetched, kept from then on."""
    task: str | None = None
    """The task of every question, by name; null: the rows say it."""
    fields: dict[str, Annotated[FieldConfig, BeforeValidator(_as_field)]] = Field(default_factory=dict)
    """Which column gives `prompt`, `task`, `reference` or, under any other name, that field of the reference.

    A column's name, or `{column, take}`. What is not named here is read from the column of its own name.
    """
    constants: dict[str, JsonValue] = Field(default_factory=dict)
    """Fields of the reference that are the same for every row."""
    limit: int | None = Field(None, ge=1)
    """Only the first so many rows are read, ≥ 1; null: all."""
    held_out_share: float = Field(0.0, ge=0, lt=1)
    """Share of the prompts that a hash keeps from training, in [0, 1).

    0 because a published set brings its own test split; what stands in a benchmark is dropped in any case.
    """

    @model_validator(mode="after")
    def _one_place_and_one_reference(self) -> "SourceConfig":
        if (self.path is None) == (self.dataset is None):
            raise ValueError("give either path or dataset")
        parts = [name for name in (*self.fields, *self.constants) if name not in ("prompt", "task", "reference")]
        if "reference" in self.fields and parts:
            raise ValueError(f"fields.reference is the whole reference; drop it, or {', '.join(parts)}")
        if repeated := sorted(self.fields.keys() & self.constants.keys()):
            raise ValueError(f"{', '.join(repeated)}: in fields and in constants; keep one")
        if unfit := sorted({"prompt", "task", "reference"} & self.constants.keys()):
            raise ValueError(f"constants: {', '.join(unfit)}: only fields of the reference; a constant task is `task`")
        if self.task is not None and "task" in self.fields:
            raise ValueError("task is given, and fields.task too; keep one")
        return self


class DecontaminationConfig(Config):
    """When a seed counts as a benchmark's question. Equal up to case, spaces and punctuation always does."""

    words: int = Field(13, ge=1)
    """A seed that shares so many words in a row with a question is dropped, ≥ 1; 13 as GPT-3 had it (§C)."""
    min_words: int = Field(8, ge=1)
    """A question of fewer than `words` words counts where a seed holds all of it, if it has so many, ≥ 1."""
    common: int = Field(10, ge=1, le=100)
    """A run of words that stands in more questions of one benchmark is a common phrase, no evidence; in [1, 100]."""
    whole_only: tuple[str, ...] = ("letters", "arithmetic", "blocksworld", "instructions", "planbench")
    """Tasks whose prompts are put together from the same phrases: their seeds are compared as a whole only.

    So is everything that tasks generate.
    """

    @model_validator(mode="after")
    def _minimum_is_no_more(self) -> "DecontaminationConfig":
        if self.min_words > self.words:
            raise ValueError(f"min_words: {self.min_words} is more than words: {self.words}")
        return self


class DifficultyConfig(Config):
    """How hard a seed is for the base student, and which are searched."""

    samples: int = Field(8, ge=1)
    """Responses a seed, ≥ 1."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature, > 0."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus mass, in (0, 1]."""
    max_tokens: int = Field(1024, ge=1)
    """Sampled tokens a response may have, ≥ 1."""
    suffix: str = ""
    """What is asked for behind each prompt, such as a final answer within `\\boxed{}`."""
    min_pass_rate: float = Field(0.0, ge=0, le=1)
    """A seed is searched where at least this share of the responses is correct, in [0, 1]."""
    max_pass_rate: float = Field(1.0, ge=0, le=1)
    """… and at most this share, in [0, 1]."""

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> "DifficultyConfig":
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError(f"min_pass_rate: {self.min_pass_rate} is more than max_pass_rate: {self.max_pass_rate}")
        return self


class SeedsConfig(Config):
    """Which questions there are."""

    tasks: tuple[str, ...] = ("letters", "arithmetic", "blocksworld", "instructions")
    """The tasks to generate questions for, by name."""
    generated_per_task: int = Field(120, ge=0)
    """Distinct training questions a task in the batch `generated`, ≥ 0."""
    sources: dict[SourceName, SourceConfig] = Field(default_factory=dict)
    """Published sets of questions by a name of your own; of a question in several, the first here keeps it."""
    held_out_per_task: int = Field(400, ge=1)
    """Distinct held-out questions a task, for the benchmark scores, ≥ 1."""
    held_out_share: float = Field(0.25, gt=0, lt=1)
    """Share of all possible prompts that a hash of the prompt holds out of training, in (0, 1).

    Of generated questions and of files in the inbox; a source has a share of its own.
    """
    max_prompt_chars: int = Field(4000, ge=1)
    """A longer prompt in a seeds file is quarantined; characters."""
    decontamination: DecontaminationConfig = DecontaminationConfig()
    """When a seed counts as a benchmark's question."""
    difficulty: DifficultyConfig | None = None
    """How hard each seed is for the base student, measured before the search; null measures nothing."""

    @model_validator(mode="after")
    def _no_source_is_called_generated(self) -> "SeedsConfig":
        if "generated" in self.sources:
            raise ValueError("sources.generated: that is the batch of generated questions; choose another name")
        return self
