"""Options that several commands share: which storage root, which profile."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marco_dag.profiles import Profile
    from marco_dag.storage import Storage

_PROFILE_VARIABLE = "MARCO_PROFILE"


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


def declare_profile(parser: argparse.ArgumentParser, what_for: str) -> None:
    """Add the option `--profile`; `what_for` says in a few words what it is asked."""
    parser.add_argument(
        "--profile", metavar="NAME_OR_PATH", help=f"{what_for} (default: ${_PROFILE_VARIABLE}, else miniature)"
    )


def profile_of(chosen: argparse.Namespace) -> "Profile":
    """The profile that `--profile` or the environment names; ProfileError says what is wrong with it."""
    from marco_dag.profiles import load_profile

    return load_profile(chosen.profile or os.environ.get(_PROFILE_VARIABLE) or "miniature")
