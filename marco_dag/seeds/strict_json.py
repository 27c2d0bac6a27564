"""JSON as the standard has it, from people's files: no NaN, no bottomless nesting, one kind of error."""

import json
from typing import NoReturn

from marco_dag.identity import JsonValue


def parse_json(text: str) -> JsonValue:
    """The value of `text`; ValueError with one line that says what is wrong with it."""
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
