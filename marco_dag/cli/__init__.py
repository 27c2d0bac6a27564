"""The `marco` command: looks at what the pipeline has made, and takes care of it. It starts no Dagster run.

A module a command, registered in `_COMMANDS`. What a command needs is imported when it runs, so that `marco --help`
answers at once. Errors of the library go to standard error and end with status 2.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

from marco_dag.cli import (
    artifacts,
    estimate,
    export,
    export_data,
    gc,
    lineage,
    profile,
    promote,
    scores,
    serve,
    sql,
    study,
    watch,
)
from marco_dag.errors import MarcoError

_COMMANDS: Mapping[str, ModuleType] = {
    "artifacts": artifacts,
    "estimate": estimate,
    "export": export,
    "export-data": export_data,
    "gc": gc,
    "lineage": lineage,
    "profile": profile,
    "promote": promote,
    "scores": scores,
    "serve": serve,
    "sql": sql,
    "study": study,
    "watch": watch,
}
"""Command → the module with its `HELP`, its `declare` and its `run`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit status: 0, or 2 where the input is at fault."""
    parser = argparse.ArgumentParser(
        prog="marco", description="Look at what the pipeline has made and where it came from, and take care of it."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.declare(command)
        command.set_defaults(run=module.run)
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except MarcoError as error:
        sys.stderr.write(f"marco {chosen.command}: {error}\n")
        return 2
    except BrokenPipeError:  # the reader, say `head`, has seen enough
        sys.stderr.close()
    except KeyboardInterrupt:
        return 130
    return 0
