"""How the commands print: to a terminal in its width, into a pipe whole lines; text of models without its tricks."""

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> "Console":
    """Standard output."""
    from rich.console import Console

    # A pipe has no width: lines are kept whole for grep.
    return Console() if sys.stdout.isatty() else Console(width=10_000, soft_wrap=True)


def print_json(value: object, indent: int | None = 2) -> None:
    """One value as JSON."""
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=False, default=str) + "\n")


def printable(text: str) -> str:
    """`text` on one line, without control characters."""
    return "".join(character if character.isprintable() else "�" for character in text.replace("\n", "⏎"))


def byte_count(size: int) -> str:
    """A number of bytes as people read it: 812 B, 3.4 MB, 15.2 GB."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{size} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def ago(seconds: float) -> str:
    """A span of time in its largest unit: 40 s, 12 min, 5 h, 31 days."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and unit != "days"):
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
