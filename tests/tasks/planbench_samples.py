"""Rows of PlanBench's sample files."""

import json
from pathlib import Path
from typing import Any


def rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
