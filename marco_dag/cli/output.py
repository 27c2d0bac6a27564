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
