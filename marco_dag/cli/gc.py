"""`marco gc`: removes stored artifacts and logs that nothing needs any more."""

import argparse
import sys

from marco_dag.cli.options import declare_profile, declare_root, profile_of, storage_of
from marco_dag.cli.output import byte_count, print_json

HELP = "Remove artifacts that nothing refers to, unfinished work and logs, once the profile's retention is over."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    declare_profile(parser, "whose retention to go by")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Remove, and say what."""
    from marco_dag.lifecycle import collect
    from marco_dag.registry import MlflowStore

    profile, storage = profile_of(chosen), storage_of(chosen)
    gone = collect(storage, MlflowStore.of(storage), profile.retention, dry_run=chosen.dry_run)
    places = [(stored.path, stored.bytes) for stored in gone.artifacts] + gone.files
    if chosen.json:
        removed = [{"path": storage.relative(path), "bytes": size} for path, size in places]
        spared = [storage.relative(stored.path) for stored in gone.spared]
        print_json({"dry_run": chosen.dry_run, "removed": removed, "bytes": gone.bytes, "in_use": spared})
        return
    verb = "would remove" if chosen.dry_run else "removed"
    for path, size in places:
        sys.stdout.write(f"{verb} {storage.relative(path)}  {byte_count(size)}\n")
    for stored in gone.spared:
        sys.stdout.write(f"in use, left alone: {storage.relative(stored.path)}\n")
    sys.stdout.write(f"{verb} {len(places)}, {byte_count(gone.bytes)}\n")
