"""`marco sql`: a question to lineage.duckdb."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from marco_dag.cli.options import declare_root, storage_of
from marco_dag.cli.output import console, print_json, printable

if TYPE_CHECKING:
    from rich.table import Table

HELP = "Ask lineage.duckdb: the tables of the run and how they came about."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("query", metavar="SELECT", help='say, "SELECT * FROM artifacts"; SHOW TABLES lists the views')
    parser.add_argument("--json", action="store_true", help="print one JSON object a row instead of a table")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Print the rows."""
    import duckdb

    from marco_dag.errors import LineageError
    from marco_dag.lineage import open_database

    with open_database(storage_of(chosen)) as connection:
        try:
            result = connection.execute(chosen.query)
            names = [str(column[0]) for column in result.description or []]
            rows = result.fetchall()
        except duckdb.Error as error:
            raise LineageError(str(error)) from error
    if chosen.json:
        for row in rows:
            print_json(dict(zip(names, row, strict=True)), indent=None)
    else:
        console().print(_rows_table(names, rows))


def _rows_table(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(caption=f"{len(rows)} rows", caption_justify="left")
    for name in names:
        table.add_column(Text(printable(name)))
    for row in rows:
        table.add_row(*(Text("" if value is None else printable(str(value))) for value in row))
    return table
