"""What a published benchmark is: how a row of its file reads, and how the field asks its questions.

A benchmark brings no rule of its own: what checks an answer is a task's verifier (`marco_dag.tasks`), the code that is
also the reward of the search. Where its rows come from is not its business (`files`, `hub`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from marco_dag.tasks.protocol import Reference

Row: TypeAlias = Mapping[str, object]
"""A row of a benchmark's file by field name; a field without a value is left out or None."""

BOXED = "{question}\nPlease reason step by step, and put your final answer within \\boxed{}."
"""The prompt that mathematical reasoning models are commonly asked with (Qwen2.5-Math, DeepSeek-R1)."""


class RowError(ValueError):
    """A row cannot be asked: the field to blame, where there is a single one, and the reason in one line."""

    def __init__(self, field: str | None, reason: str) -> None:
        super().__init__(reason if field is None else f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Item:
    """A question as its row has it."""

    key: str | None
    """The row's own id; None where it has none."""
    turns: tuple[str, ...]
    """What the user says, turn by turn, without any prompt around it."""
    references: tuple[Reference, ...]
    """For each turn, what checks the answer to it."""
    language: str | None = None
    """ISO 639-1 code of the question's language, where the benchmark has several; None otherwise."""
    example: str | None = None
    """The worked example that the row itself brings for its prompt."""
    worked: str | None = None
    """The row as a worked example for another one."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """How a benchmark's questions are asked."""

    prompt: str = "{question}"
    """What the user says in a turn: `{question}` and `{example}` are filled in."""
    greedy: bool = True
    """Whether each question is answered once at temperature 0."""
    samples: int = 0
    """Sampled responses a question, ≥ 0."""
    temperature: float = 1.0
    """Of the sampled responses, > 0."""
    top_p: float = 1.0
    """Nucleus mass of the sampled responses, in (0, 1]."""
    max_tokens: int = 2048
    """Tokens a response may have in one turn, ≥ 1."""


@dataclass(frozen=True, slots=True)
class HubName:
    """Where the Hugging Face hub has a benchmark."""

    path: str
    """Owner and name of the data set."""
    split: str
    """The split whose rows are asked."""
    subset: str | None = None
    """The data set's configuration; None where it has one only."""


class Benchmark(Protocol):
    """One published benchmark. Stateless; safe to share."""

    @property
    def name(self) -> str:
        """As the field calls it."""
        ...

    @property
    def task(self) -> str:
        """The registered task whose verifier checks the answers."""
        ...

    @property
    def hub(self) -> HubName:
        """Where the hub has it."""
        ...

    @property
    def procedure(self) -> Procedure:
        """How the field asks it."""
        ...

    def read(self, row: Row, folder: Path | None) -> Item:
        """The question of a row; RowError names the field that cannot be used.

        `folder` is where the row's file lies, for benchmarks whose rows name further files; None for the hub.
        """
        ...
