"""The rows of a JSONL or Parquet file, one after the other: each with its line, its text and its value.

Reads as a stream: one row (JSONL) or a thousand (Parquet) are held at a time, and a line may be of any length. What
cannot be read is a row of its own whose value is a Fault. Does not know what a row means.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from marco_dag.errors import SeedFileError
from marco_dag.seeds.checks import Fault
from marco_dag.seeds.strict_json import parse_json

JSONL_SUFFIXES = (".jsonl", ".ndjson")
PARQUET_SUFFIXES = (".parquet",)
SEED_SUFFIXES = JSONL_SUFFIXES + PARQUET_SUFFIXES
"""What a seeds file's name may end in."""

RAW_CHARS = 2000
"""What is kept of a row that is left out, characters."""

_LINE_BYTES = 1 << 20
_PARQUET_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file."""

    line: int | None
    """Its line (JSONL) or its place among the rows (Parquet), from 1; None where the whole file is meant."""
    raw: str
    """The row as it stood, at least its first 2,000 characters."""
    value: object
    """The parsed row, or the Fault that kept it from being parsed."""


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Every row of the file, parsed; of a Parquet file only `columns`, all of which it must have.

    A fault of the whole file (empty, a folder, not Parquet, a missing column) is one row without a line. SeedFileError
    where there is nothing to read: no such file, no permission.
    """
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            yield _whole(Fault(None, "is a folder; a seeds file is JSONL or Parquet"))
        elif suffix not in SEED_SUFFIXES:
            yield _whole(Fault(None, f"unknown kind of file {suffix!r}; known: {', '.join(SEED_SUFFIXES)}"))
        elif path.stat().st_size == 0:
            yield _whole(Fault(None, "empty file"))
        elif suffix in PARQUET_SUFFIXES:
            yield from _parquet_rows(path, columns)
        else:
            with path.open("rb") as file:
                yield from _jsonl_rows(file)
    except OSError as error:
        raise SeedFileError(f"{path}: {error.strerror or error}; check that the file exists and can be read") from error


def without_nulls(value: object) -> object:
    """`value` without the object fields that are null.

    A Parquet struct has every row's fields in every row; those that a row does not have are null there.
    """
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _jsonl_rows(file: BinaryIO) -> Iterator[Row]:
    number = rows = 0
    while line := file.readline(_LINE_BYTES + 1):
        number += 1
        if len(line) > _LINE_BYTES and not line.endswith(b"\n"):
            rows += 1
            yield Row(number, _text(line), Fault(None, f"a line of more than {_LINE_BYTES:,} bytes"))
            while (rest := file.readline(_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            continue
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            continue
        rows += 1
        try:
            yield Row(number, _text(line), parse_json(line.decode()))
        except UnicodeDecodeError as error:
            yield Row(number, _text(line), Fault(None, f"not UTF-8 at byte {error.start + 1} of the line"))
        except ValueError as error:
            yield Row(number, _text(line), Fault(None, str(error)))
    if rows == 0:
        yield _whole(Fault(None, "no rows, only blank lines"))


def _parquet_rows(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    try:
        frame = pl.scan_parquet(path, glob=False)
        columns = frame.collect_schema().names()
        if missing := [column for column in wanted if column not in columns]:
            yield _whole(Fault(missing[0], f"missing column; the file has: {', '.join(columns)[:500]}"))
            return
        frame, line = frame.select(wanted), 0
        while (rows := frame.slice(line, _PARQUET_ROWS).collect()).height:
            for row in rows.iter_rows(named=True):
                line += 1
                yield Row(line, str(row), {name: without_nulls(value) for name, value in row.items()})
        if line == 0:
            yield _whole(Fault(None, "no rows"))
    except pl.exceptions.PolarsError as error:
        yield _whole(Fault(None, f"not readable as Parquet: {' '.join(str(error).split())[:500]}"))


def _whole(fault: Fault) -> Row:
    return Row(None, "", fault)


def _text(line: bytes) -> str:
    return line[: 4 * RAW_CHARS].decode(errors="replace").rstrip("\r\n")
