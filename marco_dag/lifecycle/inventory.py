"""What lies in the store: every artifact with its size and its age. Does not know what any of it is good for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from marco_dag.storage import Storage
from marco_dag.store import MANIFEST, REMOVED, UNFINISHED, is_being_made, last_used, read_manifest

State: TypeAlias = Literal["finished", "unfinished", "being made"]
"""Whether an artifact is whole; if not, whether a process is at it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One artifact of the store."""

    id: str
    """`<kind>-<16 hex digits>`."""
    kind: str
    """What it is: `models`, `trees`, `sft`, `second_stage`, `scores`, …"""
    path: Path
    """Its folder."""
    state: State
    """Whether it is whole."""
    bytes: int
    """Sum of the sizes of its files."""
    created_at: float | None
    """When it was finished, in seconds of the epoch; None for an unfinished one."""
    used_at: float
    """When it was last made or asked for; of an unfinished one, last written to; in seconds of the epoch."""
    parts: tuple[str, ...] = ()
    """The artifacts that it was put together from."""


def take_inventory(storage: Storage) -> list[Stored]:
    """Every artifact below a storage root, by kind and id; StorageError names a folder that is no whole artifact."""
    found = []
    for folder in sorted(storage.artifacts.glob("*/*")):
        if not folder.is_dir() or folder.is_symlink() or folder.name.endswith(REMOVED):
            continue
        try:
            found.append(_look_at(folder))
        except FileNotFoundError:  # finished, or removed, in this very moment
            continue
    return found


def leftovers(storage: Storage) -> list[Path]:
    """Folders of artifacts whose removal was cut off."""
    return sorted(folder for folder in storage.artifacts.glob(f"*/*{REMOVED}") if folder.is_dir())


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links count as what they are, not as what they lead to."""
    return sum(_sizes(path)) if path.is_dir() else path.lstat().st_size


def _look_at(folder: Path) -> Stored:
    kind = folder.parent.name
    if folder.name.endswith(UNFINISHED):
        state: State = "being made" if is_being_made(folder) else "unfinished"
        name = folder.name.removesuffix(UNFINISHED)
        return Stored(name, kind, folder, state, size_of(folder), None, last_used(folder))
    manifest = read_manifest(folder)
    return Stored(
        folder.name,
        kind,
        folder,
        "finished",
        size_of(folder),
        manifest.created_at,
        (folder / MANIFEST).stat().st_mtime,
        manifest.parts,
    )


def _sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            if not path.is_dir() or path.is_symlink():
                yield path.lstat().st_size
        except FileNotFoundError:
            continue
