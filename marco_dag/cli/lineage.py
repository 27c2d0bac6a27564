"""`marco lineage`: where an artifact, a training example or a score came from."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from marco_dag.cli.options import declare_root, storage_of
from marco_dag.cli.output import console, print_json, printable

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from marco_dag.lineage import Origin

HELP = "Show where an artifact, a training example or a score came from."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("what", nargs="?", metavar="ID_OR_PATH", help="an id, asset, path or checkpoint/question_id")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a tree")
    parser.add_argument("--refresh", action="store_true", help="write lineage.duckdb anew (after moving the folder)")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Print the walk back."""
    from marco_dag.errors import LineageError
    from marco_dag.lineage import ACCEPTED, refresh_database, trace

    storage = storage_of(chosen)
    if chosen.refresh:
        sys.stdout.write(f"{refresh_database(storage)}\n")
    if chosen.what:
        origin = trace(storage, chosen.what)
        if chosen.json:
            print_json(origin.to_json())
        else:
            console().print(_tree(origin))
    elif not chosen.refresh:
        raise LineageError(f"of what? Give {ACCEPTED}.")


def _tree(origin: "Origin") -> "Tree":
    from rich.tree import Tree

    tree = Tree(_label(origin))
    branches = [(tree, origin)]
    while branches:
        branch, parent = branches.pop()
        branches += [(branch.add(_label(child)), child) for child in parent.made_from]
    return tree


def _label(origin: "Origin") -> "Text":
    """Model output stands in the facts: it is shown as plain text, without control characters."""
    from rich.text import Text

    facts = ", ".join(f"{name}: {_fact(value)}" for name, value in origin.facts.items())
    return Text.assemble((origin.kind, "bold"), " ", (printable(origin.id), "cyan"), "  ", printable(facts))


def _fact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
