"""The rows of a benchmark's file: JSONL, JSON, CSV or Parquet. What a row means is the benchmark's business.

A fault never stops the rows after it; what is wrong with the file as a whole is an error.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from marco_dag.errors import EvaluationError
from marco_dag.evaluation.benchmarks.fields import as_row
from marco_dag.evaluation.benchmarks.protocol import Row, RowError
from marco_dag.seeds.strict_json import parse_json

JSON_LINES = (".jsonl", ".ndjson")
SUFFIXES = (*JSON_LINES, ".json", ".csv", ".parquet")
"""What a benchmark file's name may end in."""

_LONGEST_FILE = 1 << 29
_ROWS_OF_JSON = "instances"  # where PlanBench's files keep them


@dataclass(frozen=True, slots=True)
class Line:
    """A row, and where it stands."""

    number: int
    """The 1-based line (JSONL) or row."""
    raw: str
    """The row as it stood, or as it reads."""
    row: Row | RowError
    """The row, or why it is none."""


def lines(path: Path) -> Iterator[Line]:
    """Every row of the file at `path`, in its order; blank lines are no rows.

    EvaluationError where the file cannot be read as what its suffix says, or is larger than 512 MiB.
    """
    suffix = path.suffix.lower()
    try:
        size = path.stat().st_size
        if size > _LONGEST_FILE:
            raise EvaluationError(f"{path}: {size:,} bytes; a benchmark's file has at most {_LONGEST_FILE:,}")
        if suffix in JSON_LINES:
            yield from _json_lines(path)
        elif suffix == ".json":
            yield from numbered(_json_rows(path))
        else:
            yield from numbered(_table(path).iter_rows(named=True))
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror or error}; check that it is there and can be read") from error


def numbered(rows: Iterator[object]) -> Iterator[Line]:
    """`rows` with their 1-based numbers."""
    for number, value in enumerate(rows, 1):
        yield Line(number, str(value), _checked(value))


def _json_lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            text = line.decode(errors="replace").strip().removeprefix("\ufeff")
            try:
                row = _checked(parse_json(line.decode("utf-8-sig")))
            except UnicodeDecodeError as error:
                row = RowError(None, f"not UTF-8 at byte {error.start + 1} of the line")
            except ValueError as error:
                row = RowError(None, str(error))
            yield Line(number, text, row)


def _json_rows(path: Path) -> Iterator[object]:
    try:
        value = parse_json(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise EvaluationError(f"{path}: {error}") from error
    rows = value.get(_ROWS_OF_JSON) if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise EvaluationError(f"{path}: must be a list of rows, or an object with a list {_ROWS_OF_JSON!r}")
    yield from rows


def _table(path: Path) -> pl.DataFrame:
    try:
        if path.suffix.lower() == ".csv":
            return pl.read_csv(path, infer_schema=False)
        return pl.read_parquet(path, glob=False)
    except pl.exceptions.PolarsError as error:
        reason = " ".join(str(error).split())[:500]
        raise EvaluationError(f"{path}: not readable as {path.suffix[1:]}: {reason}") from error


def _checked(value: object) -> Row | RowError:
    try:
        return as_row(value)
    except RowError as error:
        return error
