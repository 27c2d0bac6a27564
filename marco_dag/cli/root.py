"""Which storage root a command looks at."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marco_dag.storage import Storage


def declare_root(parser: argparse.ArgumentParser) -> None:
    """Add the option `--root`."""
    parser.add_argument("--root", type=Path, help="the storage root (default: $MARCO_HOME, else ./data)")


def storage_of(chosen: argparse.Namespace) -> "Storage":
    """The storage that `--root` or the environment names; LineageError where that is no folder."""
    from marco_dag.errors import LineageError
    from marco_dag.storage import Storage

    storage = Storage(chosen.root) if chosen.root else Storage.from_environment()
    if not storage.root.is_dir():
        raise LineageError(f"{storage.root}: no such folder; name the storage root with --root or MARCO_HOME")
    return storage
