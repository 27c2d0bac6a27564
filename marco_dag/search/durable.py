"""Files that are there as a whole or not at all, also after a power cut; and what to say where a disk refuses them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marco_dag.errors import SearchError

TEMPORARY = ".tmp"
"""Suffix of a file that is being written. What a crash leaves under it may be removed."""


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A place to write what shall be `target`; it gets that name when the block ends, and is gone after an error."""
    temporary = target.with_suffix(TEMPORARY)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)  # what a full disk holds of it takes room
        raise


def refused(path: Path, error: Exception) -> SearchError:
    """What a search says where the disk refuses, above all because it is full."""
    return SearchError(
        f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}. Nothing that was answered is lost: "
        "make room (or mend the disk) and run the search again; it goes on from here."
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
