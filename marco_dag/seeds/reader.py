"""A seeds file: good rows become seed prompts, each bad row a quarantine row that names line, field and reason.

One row at a time is held besides what is kept of it. Does not decide where files come from (`marco_dag.seeds.batches`),
nor what other batches and benchmarks hold (`marco_dag.seeds.screening`).
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from marco_dag.schemas import SEED_PROMPTS, SEED_QUARANTINE
from marco_dag.seeds.checks import Fault, Limits, check_row
from marco_dag.seeds.config import SeedsConfig, SourceConfig
from marco_dag.seeds.files import RAW_CHARS, Row, read_rows
from marco_dag.seeds.mapping import RowMapping
from marco_dag.seeds.rows import SeedRow, seed_row
from marco_dag.seeds.wording import narrow_form
from marco_dag.tasks import Question


class SeedKey(NamedTuple):
    """What makes two seeds duplicates of each other: the same question to the same task."""

    task: str
    wording: str
    """The prompt's narrow form (`marco_dag.seeds.wording`)."""


@dataclass(frozen=True, slots=True)
class SeedFile:
    """What a seeds file gave."""

    file: str
    """The file's name, as the quarantine has it."""
    prompts: pl.DataFrame
    """The good rows, in the file's order (`schemas.SEED_PROMPTS`, split `train`)."""
    quarantine: pl.DataFrame
    """The bad rows, in the file's order (`schemas.SEED_QUARANTINE`)."""
    lines: Sequence[int | None]
    """For each good row where it stands: its line (JSONL) or row (Parquet), from 1; None where there is no file."""


def read_seed_file(
    path: Path, *, batch: str, config: SeedsConfig, name: str | None = None, source: str | None = None
) -> SeedFile:
    """Read the seeds file at `path`; the tables call it `name` (its own name by default).

    `source`: the source of the profile that it is the file of, which says how to map its rows.
    A fault never stops the rows after it. What is wrong with the file as a whole (empty, a folder, not Parquet, a
    missing column) is one quarantine row without a line. SeedFileError where there is nothing to read: no such file, no
    permission.
    """
    name = name or path.name
    reading = _Reading(config, source)
    good: dict[SeedKey, tuple[int | None, SeedRow]] = {}
    bad: list[tuple[str, str, int | None, str | None, str, str]] = []
    for row in reading.rows(path):
        if (fault := _place(row, reading, good, source or name, batch)) is not None:
            bad.append((batch, name, row.line, fault.field, fault.reason, _printable(row.raw)[:RAW_CHARS]))
    return SeedFile(
        file=name,
        prompts=pl.DataFrame([seed for _, seed in good.values()], schema=SEED_PROMPTS),
        quarantine=pl.DataFrame(bad, schema=SEED_QUARANTINE, orient="row"),
        lines=[line for line, _ in good.values()],
    )


def keys_of(prompts: pl.DataFrame) -> list[SeedKey]:
    """The keys of seeds (`schemas.SEED_PROMPTS`), row by row."""
    return [SeedKey(task, narrow_form(prompt)) for task, prompt in prompts.select("task", "prompt").iter_rows()]


def keys_within(path: Path, wanted: Container[SeedKey], *, config: SeedsConfig, source: str | None) -> set[SeedKey]:
    """Which of the `wanted` seeds stand in the seeds file at `path` as good rows; no other row is checked."""
    reading = _Reading(config, source)
    found: set[SeedKey] = set()
    for row in reading.rows(path):
        key = reading.key(row.value)
        if key is not None and key in wanted and key not in found and not isinstance(reading.check(row.value), Fault):
            found.add(key)
    return found


def _place(
    row: Row, reading: "_Reading", good: dict[SeedKey, tuple[int | None, SeedRow]], source: str, batch: str
) -> Fault | None:
    """Put a row among the good ones, or say why not."""
    checked = reading.check(row.value)
    if isinstance(checked, Fault):
        return checked
    seed = seed_row(*checked, source=source, split="train", batch=batch)
    key = SeedKey(seed["task"], narrow_form(seed["prompt"]))
    if key in good:
        return Fault(reading.mapping.column_of("prompt"), f"duplicate of line {good[key][0]}")
    good[key] = (row.line, seed)
    return None


class _Reading:
    """How the rows of one file are read."""

    def __init__(self, config: SeedsConfig, source: str | None) -> None:
        published: SourceConfig | None = None if source is None else config.sources[source]
        self.mapping = RowMapping(published)
        share = config.held_out_share if published is None else published.held_out_share
        self._limits = Limits(config.max_prompt_chars, share)
        self._limit = published.limit if published else None

    def rows(self, path: Path) -> Iterator[Row]:
        """Every row that is to be read, mapped."""
        for row in islice(read_rows(path, self.mapping.columns), self._limit):
            yield row if isinstance(row.value, Fault) else Row(row.line, row.raw, self.mapping.map(row.value))

    def check(self, row: object) -> tuple[str, Question] | Fault:
        """The task and the question of a mapped row, or what is wrong with it, in the words of the file's columns."""
        if isinstance(row, Fault):
            return row
        checked = check_row(row, self._limits)
        return Fault(self.mapping.column_of(checked.field), checked.reason) if isinstance(checked, Fault) else checked

    def key(self, row: object) -> SeedKey | None:
        """The key of a mapped row that might be good; None where it cannot be."""
        task, prompt = (row.get("task"), row.get("prompt")) if isinstance(row, dict) else (None, None)
        if not isinstance(task, str) or not isinstance(prompt, str):
            return None
        return SeedKey(task, narrow_form(prompt))


def _printable(text: str) -> str:
    """`text` without what UTF-8 cannot hold (lone surrogates)."""
    return text.encode(errors="replace").decode()
