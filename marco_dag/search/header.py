"""The header of a search's folder: what the search is, for whoever goes on with it or watches it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from marco_dag.errors import SearchError
from marco_dag.identity import JsonValue
from marco_dag.search.durable import written_whole

HEADER = "search.json"
"""The file's name."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a search is."""

    trees: int
    """How many there will be."""
    key: Mapping[str, JsonValue]
    """All that decides the tables, as JSON."""

    def differs_in(self, other: "Header") -> list[str]:
        """What the two searches have not in common."""
        names = sorted({*self.key, *other.key})
        return [name for name in names if self.key.get(name) != other.key.get(name)]


def read_header(folder: Path) -> Header:
    """The header of the search in a folder.

    FileNotFoundError where there is none. SearchError where it is damaged, which no crash does: it is written whole.
    """
    file = folder / HEADER
    try:
        said = json.loads(file.read_bytes())
        return Header(int(said["trees"]), dict(said["key"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SearchError(
            f"{file}: damaged ({type(error).__name__}: {error}), and nothing else says what search this is. Put it "
            f"back from a copy, or remove {folder} to begin anew."
        ) from error


def write_header(folder: Path, header: Header) -> None:
    """Say what the search is, durably; OSError where the disk refuses."""
    with written_whole(folder / HEADER) as file:
        file.write_text(json.dumps({"trees": header.trees, "key": dict(header.key)}, indent=2))
