"""Making a folder to hand out: whole or not at all, never over what somebody has, never with what a link leads to."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marco_dag.errors import ExportError
from marco_dag.storage import Storage


@contextmanager
def new_folder(target: Path, storage: Storage) -> Iterator[Path]:
    """A folder to fill, which becomes `target` when the block ends well, and is removed when it does not.

    ExportError where `target` holds something already, or lies among the artifacts, where nothing but artifacts may be.
    """
    target = target.absolute()
    if target.resolve().is_relative_to(storage.artifacts.resolve()):
        raise ExportError(f"{target}: lies among the artifacts of the storage root; export to a folder of your own")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportError(f"{target}: is there already and not empty; remove it, or export to another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    filling = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.partial")
    filling.mkdir()
    try:
        yield filling
        if target.exists():
            target.rmdir()
        filling.rename(target)
    finally:
        shutil.rmtree(filling, ignore_errors=True)


def copy_files(source: Path, target: Path, patterns: tuple[str, ...]) -> list[str]:
    """Copy the files directly in `source` that match a pattern; their names. ExportError where one is a link."""
    files = sorted({file for pattern in patterns for file in source.glob(pattern)})
    for file in files:
        if file.is_symlink() or not file.is_file():
            raise ExportError(f"{file}: is a link or no file; a checkpoint is handed out from plain files only")
        shutil.copyfile(file, target / file.name)
    return [file.name for file in files]
