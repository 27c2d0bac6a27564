"""The `marco` command: looks at what the pipeline has made. It starts no run; `dagster` does that.

One function a command, registered in `_COMMANDS`. What a command needs is imported when it runs, so that `marco --help`
answers at once. Errors of the library go to standard error and end with status 2.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marco_dag.errors import MarcoError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    from rich.tree import Tree

    from marco_dag.lineage import Origin
    from marco_dag.storage import Storage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit status: 0, or 2 where the input is at fault."""
    parser = argparse.ArgumentParser(
        prog="marco", description="Look at what the pipeline has made, and where it came from."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (help_text, declare, run) in _COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        declare(command)
        command.set_defaults(run=run)
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except MarcoError as error:
        sys.stderr.write(f"marco {chosen.command}: {error}\n")
        return 2
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        sys.stderr.close()
    return 0


# --- marco lineage


def _declare_lineage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="ID_OR_PATH", help="an id, asset, path or checkpoint/question_id")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a tree")
    parser.add_argument("--refresh", action="store_true", help="write lineage.duckdb anew (after moving the folder)")
    _declare_root(parser)


def _lineage(chosen: argparse.Namespace) -> None:
    from marco_dag.errors import LineageError
    from marco_dag.lineage import ACCEPTED, refresh_database, trace

    storage = _storage(chosen)
    if chosen.refresh:
        sys.stdout.write(f"{refresh_database(storage)}\n")
    if chosen.what:
        origin = trace(storage, chosen.what)
        if chosen.json:
            _print_json(origin.to_json())
        else:
            _console().print(_tree(origin))
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
    return Text.assemble((origin.kind, "bold"), " ", (_printable(origin.id), "cyan"), "  ", _printable(facts))


def _fact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


# --- marco profile


def _declare_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("profile", nargs="?", metavar="NAME_OR_PATH", help="a shipped profile's name, or a .yaml file")


def _profile(chosen: argparse.Namespace) -> None:
    import yaml

    from marco_dag.profiles import load_profile, shipped_profiles

    if chosen.profile is None:
        sys.stdout.write("".join(f"{name}\n" for name in shipped_profiles()))
    else:
        profile = load_profile(chosen.profile).model_dump(mode="json")
        sys.stdout.write(yaml.safe_dump(profile, sort_keys=False, allow_unicode=True))


# --- marco scores


def _declare_scores(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", metavar="NAME_OR_PATH", help="whose recipes to describe (default: $MARCO_PROFILE, else miniature)"
    )
    _declare_root(parser)


def _scores(chosen: argparse.Namespace) -> None:
    from marco_dag.errors import EvaluationError
    from marco_dag.evaluation import summarize
    from marco_dag.lineage import connect
    from marco_dag.profiles import load_profile
    from marco_dag.report import benchmarks_table, describe_checkpoints, results_table

    profile = load_profile(chosen.profile or os.environ.get("MARCO_PROFILE") or "miniature")
    storage = _storage(chosen)
    with connect(storage) as connection:
        scores = connection.sql("SELECT * FROM scores").pl()
    if scores.is_empty():
        raise EvaluationError(f"no scores below {storage.root} yet; materialize benchmark_scores first")
    summary = summarize(scores, profile.evaluation.confidence)
    descriptions = describe_checkpoints(profile)
    _console().print(results_table(summary, descriptions))
    if (benchmarks := benchmarks_table(summary, descriptions)) is not None:
        _console().print(benchmarks)


# --- marco sql


def _declare_sql(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", metavar="SELECT", help='say, "SELECT * FROM artifacts"; SHOW TABLES lists the views')
    parser.add_argument("--json", action="store_true", help="print one JSON object a row instead of a table")
    _declare_root(parser)


def _sql(chosen: argparse.Namespace) -> None:
    import duckdb

    from marco_dag.errors import LineageError
    from marco_dag.lineage import open_database

    with open_database(_storage(chosen)) as connection:
        try:
            result = connection.execute(chosen.query)
            names = [str(column[0]) for column in result.description or []]
            rows = result.fetchall()
        except duckdb.Error as error:
            raise LineageError(str(error)) from error
    if chosen.json:
        for row in rows:
            _print_json(dict(zip(names, row, strict=True)), indent=None)
    else:
        _console().print(_rows_table(names, rows))


def _rows_table(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(caption=f"{len(rows)} rows", caption_justify="left")
    for name in names:
        table.add_column(Text(_printable(name)))
    for row in rows:
        table.add_row(*(Text("" if value is None else _printable(str(value))) for value in row))
    return table


# --- what they share


def _declare_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", type=Path, help="the storage root (default: $MARCO_HOME, else ./data)")


def _storage(chosen: argparse.Namespace) -> "Storage":
    from marco_dag.errors import LineageError
    from marco_dag.storage import Storage

    storage = Storage(chosen.root) if chosen.root else Storage.from_environment()
    if not storage.root.is_dir():
        raise LineageError(f"{storage.root}: no such folder; name the storage root with --root or MARCO_HOME")
    return storage


def _console() -> "Console":
    from rich.console import Console

    # A pipe has no width: lines are kept whole for grep.
    return Console() if sys.stdout.isatty() else Console(width=10_000, soft_wrap=True)


def _print_json(value: object, indent: int | None = 2) -> None:
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=False, default=str) + "\n")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text.replace("\n", "⏎"))


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], None]]] = {
    "lineage": ("Show where an artifact, a training example or a score came from.", _declare_lineage, _lineage),
    "profile": (
        "Check a profile and print it in full; without a name, list those shipped.",
        _declare_profile,
        _profile,
    ),
    "scores": ("Print the results table of the checkpoints that were scored.", _declare_scores, _scores),
    "sql": ("Ask lineage.duckdb: the tables of the run and how they came about.", _declare_sql, _sql),
}
"""Command → its help, what declares its arguments, what runs it."""
