"""`marco artifacts`: what lies in the store, how large and how old it is, and what needs it."""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from marco_dag.cli.options import declare_profile, declare_root, profile_of, storage_of
from marco_dag.cli.output import ago, byte_count, console, print_json, printable

if TYPE_CHECKING:
    from rich.table import Table

    from marco_dag.lifecycle import Kept

HELP = "List the stored models, checkpoints, trees and scores: size, age, and what refers to them."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--kind", help="only these: models, trees, sft, second_stage, scores, …")
    parser.add_argument("--json", action="store_true", help="print one JSON object an artifact instead of a table")
    declare_profile(parser, "whose retention to go by")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Print the list."""
    from marco_dag.lifecycle import look_through
    from marco_dag.registry import MlflowStore

    profile, storage = profile_of(chosen), storage_of(chosen)
    found = look_through(storage, MlflowStore.of(storage), profile.retention)
    if chosen.kind is not None:
        found = [kept for kept in found if kept.stored.kind == chosen.kind]
    if chosen.json:
        for kept in found:
            print_json(_row(kept), indent=None)
    else:
        console().print(_table(found, time.time()))


def _row(kept: "Kept") -> dict[str, object]:
    stored = kept.stored
    return {
        "artifact": stored.id,
        "kind": stored.kind,
        "state": stored.state,
        "bytes": stored.bytes,
        "created_at": stored.created_at,
        "used_at": stored.used_at,
        "references": list(kept.references),
        "kept_until": kept.until,
    }


def _table(found: "Sequence[Kept]", now: float) -> "Table":
    from rich.table import Table
    from rich.text import Text

    sums: Counter[str] = Counter()
    for kept in found:
        sums[kept.stored.kind] += kept.stored.bytes
    each = ", ".join(f"{kind} {byte_count(size)}" for kind, size in sums.most_common())
    table = Table(caption=f"{len(found)} artifacts, {byte_count(sums.total())}: {each}", caption_justify="left")
    for name, side in (("artifact", "left"), ("size", "right"), ("last used", "right"), ("kept for", "left")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for kept in found:
        stored = kept.stored
        table.add_row(stored.id, byte_count(stored.bytes), ago(now - stored.used_at), Text(printable(_why(kept, now))))
    return table


def _why(kept: "Kept", now: float) -> str:
    if kept.stored.state == "being made":
        return "being made"
    unfinished = "unfinished; " if kept.stored.state == "unfinished" else ""
    if kept.until is not None:
        left = kept.until - now
        return unfinished + (f"nothing, {ago(left)} more" if left > 0 else "nothing: goes with the next marco gc")
    first, *more = kept.references
    return f"{first}, and {len(more)} more" if more else first
