"""Reading single fields of a row, whichever way their file spells them."""

import json
from collections.abc import Mapping
from typing import cast

from marco_dag.evaluation.benchmarks.protocol import Row, RowError
from marco_dag.identity import JsonValue
from marco_dag.seeds.strict_json import parse_json

_LONGEST_TEXT = 200_000
_SHOWN_NAMES = 300


def text(row: Row, *names: str) -> str:
    """The first of the fields `names` that the row has, as it stands.

    RowError where it has none of them, or that one is no text, blank, or longer than 200,000 characters.
    """
    name, value = present(row, *names)
    if not isinstance(value, str):
        raise RowError(name, f"must be a string, not {type(value).__name__}")
    if not value.strip():
        raise RowError(name, "blank")
    if len(value) > _LONGEST_TEXT:
        raise RowError(name, f"{len(value):,} characters; at most {_LONGEST_TEXT:,} are read")
    return value


def present(row: Row, *names: str) -> tuple[str, object]:
    """Name and value of the first of the fields `names` that has a value; RowError where none has."""
    for name in names:
        if (value := row.get(name)) is not None:
            return name, value
    wanted = " or ".join(repr(name) for name in names)
    raise RowError(names[0], f"missing; the row has no {wanted}, but {', '.join(map(str, row))[:_SHOWN_NAMES]}")


def key(row: Row, *names: str) -> str | None:
    """The row's own id as text, from the first of the fields `names` that has a value; None where none has."""
    return next((str(row[name]) for name in names if row.get(name) is not None), None)


def parsed(row: Row, name: str) -> JsonValue:
    """The field `name`; where it is a string, the JSON value it holds, as flat files have it. RowError if it is not."""
    _, value = present(row, name)
    if isinstance(value, str):
        try:
            return parse_json(value)
        except ValueError as error:
            raise RowError(name, f"must hold JSON: {error}") from error
    return cast("JsonValue", value)


def without_nulls(value: Mapping[str, object]) -> dict[str, JsonValue]:
    """A Parquet struct has every row's fields in every row: `value` without those that are null here."""
    return {name: cast("JsonValue", inner) for name, inner in value.items() if inner is not None}


def as_row(value: object) -> Row:
    """`value` as a row; RowError where it is no object."""
    if not isinstance(value, Mapping):
        raise RowError(None, f"a row must be an object, not {type(value).__name__}: {json.dumps(value)[:80]}")
    return value
