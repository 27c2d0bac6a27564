"""A row as somebody published it becomes a row as our seeds files have it: prompt, task, reference.

Says where each field comes from and how it is read. Whether the result can be trained on is not decided here
(`marco_dag.seeds.checks`).
"""

import re
from collections.abc import Callable, Mapping

from marco_dag.seeds.checks import FIELDS, Fault, kind_of
from marco_dag.seeds.config import FieldConfig, SourceConfig, Take
from marco_dag.seeds.files import without_nulls
from marco_dag.seeds.strict_json import parse_json

_HASHES = "####"
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_BOXED = re.compile(r"\\boxed\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_SHOWN_CHARS = 300


class RowMapping:
    """The mapping of one source; without one, a row is already as our seeds files have it."""

    def __init__(self, source: SourceConfig | None = None) -> None:
        self._published = source is not None
        source = source or SourceConfig(path="seeds.jsonl")
        self._task = source.task
        self._constants = source.constants
        self._fields = {name: source.fields.get(name, FieldConfig(column=name)) for name in FIELDS}
        self._parts = {name: field for name, field in source.fields.items() if name not in FIELDS}
        if self._task is not None:
            del self._fields["task"]
        if self._parts or self._constants:
            del self._fields["reference"]
        self.columns = tuple(dict.fromkeys(field.column for field in (*self._fields.values(), *self._parts.values())))
        """The columns that are read, each once."""

    def column_of(self, field: str | None) -> str | None:
        """The column behind a field of the mapped row; the field itself where no single column is."""
        return self._fields[field].column if field in self._fields else field

    def map(self, row: object) -> object | Fault:
        """The mapped row, or the first column that is missing or cannot be read; what is no row stays as it is."""
        if not isinstance(row, Mapping):
            return row
        mapped: dict[str, object] = {} if self._task is None else {"task": self._task}
        reference: dict[str, object] = dict(self._constants)
        for name, field in (*self._fields.items(), *self._parts.items()):
            if (value := row.get(field.column)) is None:
                return Fault(field.column, self._missing(field.column, row))
            taken = _TAKES[field.take](value)
            if isinstance(taken, Fault):
                return Fault(field.column, taken.reason)
            (mapped if name in FIELDS else reference)[name] = without_nulls(taken) if self._published else taken
        return {"reference": reference, **mapped}

    def _missing(self, column: str, row: Mapping[object, object]) -> str:
        if column in row or column in FIELDS:
            return "missing"
        return f"missing; the row has: {', '.join(map(str, row))[:_SHOWN_CHARS]}"


def _as_text(value: object) -> object | Fault:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return Fault(None, f"must be text or a number, not {kind_of(value)}")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _parsed(value: object) -> object | Fault:
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError as error:
        return Fault(None, f"must hold JSON: {error}")


def _after_hashes(value: object) -> object | Fault:
    if not isinstance(value, str) or _HASHES not in value:
        return Fault(None, f"has no {_HASHES} before the answer")
    return _THOUSANDS.sub("", value.rpartition(_HASHES)[2].strip())


def _last_boxed(value: object) -> object | Fault:
    if not isinstance(value, str):
        return Fault(None, f"must be a string, not {kind_of(value)}")
    boxes = list(_BOXED.finditer(value))
    if not boxes:
        return Fault(None, "has no \\boxed{…}")
    start, depth = boxes[-1].end(), 1
    for brace in _BRACE.finditer(value, start):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return value[start : brace.start()].strip()
    return Fault(None, "its last \\boxed{ is never closed")


_TAKES: Mapping[Take, Callable[[object], object | Fault]] = {
    "value": lambda value: value,
    "text": _as_text,
    "json": _parsed,
    "after-hashes": _after_hashes,
    "last-boxed": _last_boxed,
}
