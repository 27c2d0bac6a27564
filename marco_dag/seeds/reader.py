"""A user's seeds file: good rows become seed prompts, each bad row a quarantine row that names line, field and reason.

Reads JSONL and Parquet as a stream, so that one row at a time is held besides what is kept of it. Does not decide where
files come from (`marco_dag.seeds.inbox`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from marco_dag.errors import SeedFileError
from marco_dag.schemas import SEED_PROMPTS, SEED_QUARANTINE
from marco_dag.seeds.checks import FIELDS, Fault, check_row
from marco_dag.seeds.config import SeedsConfig
from marco_dag.seeds.rows import SeedRow, seed_row
from marco_dag.seeds.strict_json import parse_json

JSONL_SUFFIXES = (".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet",)
SEED_SUFFIXES = JSONL_SUFFIXES + PARQUET_SUFFIXES
"""What a seeds file's name may end in."""

_RAW_CHARS = 2000
_LINE_BYTES = 1 << 20
_PARQUET_ROWS = 1024


@dataclass(frozen=True, slots=True)
class SeedFile:
    """What a seeds file gave."""

    prompts: pl.DataFrame
    """The good rows, in the file's order (`schemas.SEED_PROMPTS`, split `train`)."""
    quarantine: pl.DataFrame
    """The bad rows, in the file's order (`schemas.SEED_QUARANTINE`)."""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int | None
    raw: str
    value: object
    """The parsed row, or the Fault that kept it from being parsed."""


def read_seed_file(path: Path, *, batch: str, config: SeedsConfig, name: str | None = None) -> SeedFile:
    """Read the seeds file at `path`; the tables call it `name` (its own name by default).

    A fault never stops the rows after it. What is wrong with the file as a whole (empty, a folder, not Parquet, a
    missing column) is one quarantine row without a line. SeedFileError where there is nothing to read: no such file, no
    permission.
    """
    source = name or path.name
    good: dict[tuple[str, str], tuple[int | None, SeedRow]] = {}
    bad: list[tuple[str, str, int | None, str | None, str, str]] = []

    def quarantine(row: _Row, fault: Fault) -> None:
        bad.append((batch, source, row.line, fault.field, fault.reason, _printable(row.raw)[:_RAW_CHARS]))

    for row in _rows(path):
        checked = row.value if isinstance(row.value, Fault) else check_row(row.value, config)
        if isinstance(checked, Fault):
            quarantine(row, checked)
            continue
        task, question = checked
        if (first := good.get((task, question.prompt))) is not None:
            quarantine(row, Fault("prompt", f"duplicate of line {first[0]}"))
            continue
        seed = seed_row(task, question, source=source, split="train", batch=batch)
        good[task, question.prompt] = (row.line, seed)
    return SeedFile(
        prompts=pl.DataFrame([seed for _, seed in good.values()], schema=SEED_PROMPTS),
        quarantine=pl.DataFrame(bad, schema=SEED_QUARANTINE, orient="row"),
    )


def _rows(path: Path) -> Iterator[_Row]:
    """Every row of the file, parsed; faults of the whole file as one row without a line."""
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            yield _whole(Fault(None, "is a folder; a seeds file is JSONL or Parquet"))
        elif suffix not in SEED_SUFFIXES:
            yield _whole(Fault(None, f"unknown kind of file {suffix!r}; known: {', '.join(SEED_SUFFIXES)}"))
        elif path.stat().st_size == 0:
            yield _whole(Fault(None, "empty file"))
        elif suffix in PARQUET_SUFFIXES:
            yield from _parquet_rows(path)
        else:
            with path.open("rb") as file:
                yield from _jsonl_rows(file)
    except OSError as error:
        raise SeedFileError(f"{path}: {error.strerror or error}; check that the file exists and can be read") from error


def _jsonl_rows(file: BinaryIO) -> Iterator[_Row]:
    number = rows = 0
    while line := file.readline(_LINE_BYTES + 1):
        number += 1
        if len(line) > _LINE_BYTES and not line.endswith(b"\n"):
            rows += 1
            yield _Row(number, _text(line), Fault(None, f"a line of more than {_LINE_BYTES:,} bytes"))
            while (rest := file.readline(_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            continue
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        rows += 1
        try:
            yield _Row(number, _text(line), parse_json(line.decode()))
        except UnicodeDecodeError as error:
            yield _Row(number, _text(line), Fault(None, f"not UTF-8 at byte {error.start + 1} of the line"))
        except ValueError as error:
            yield _Row(number, _text(line), Fault(None, str(error)))
    if rows == 0:
        yield _whole(Fault(None, "no rows, only blank lines"))


def _parquet_rows(path: Path) -> Iterator[_Row]:
    try:
        frame = pl.scan_parquet(path, glob=False)
        columns = frame.collect_schema().names()
        if missing := [field for field in FIELDS if field not in columns]:
            yield _whole(Fault(missing[0], f"missing column; the file has: {', '.join(columns)[:500]}"))
            return
        frame, line = frame.select(FIELDS), 0
        while (rows := frame.slice(line, _PARQUET_ROWS).collect()).height:
            for row in rows.iter_rows(named=True):
                line += 1
                yield _Row(line, str(row), {**row, "reference": _without_nulls(row["reference"])})
        if line == 0:
            yield _whole(Fault(None, "no rows"))
    except pl.exceptions.PolarsError as error:
        yield _whole(Fault(None, f"not readable as Parquet: {' '.join(str(error).split())[:500]}"))


def _without_nulls(value: object) -> object:
    """A Parquet struct has every row's fields in every row; those that a row does not have are null there."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def _whole(fault: Fault) -> _Row:
    return _Row(None, "", fault)


def _text(line: bytes) -> str:
    return line[: 4 * _RAW_CHARS].decode(errors="replace").rstrip("\r\n")


def _printable(text: str) -> str:
    """`text` without what UTF-8 cannot hold (lone surrogates)."""
    return text.encode(errors="replace").decode()
