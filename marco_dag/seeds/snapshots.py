"""Copies of files that never change, so that what was made from one can be made again."""

import shutil
from pathlib import Path

from marco_dag.identity import digest_file

DIGEST_DIGITS = 8
"""Hex digits of a content's digest that a batch's key ends in."""


def snapshot(path: Path, copy: Path, digest: str) -> bool:
    """Copy the file at `path`, whose SHA-256 is `digest`, to `copy`; False, and no copy, where it changes meanwhile."""
    before = path.stat()
    partial = copy.with_name(copy.name + ".partial")
    shutil.copyfile(path, partial)
    after = path.stat()
    unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not unchanged or digest_file(partial) != digest:
        partial.unlink()
        return False
    partial.replace(copy)
    return True


def write_whole(path: Path, text: str) -> None:
    """Write and rename, so that a reader or a crash never meets half a file."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)
