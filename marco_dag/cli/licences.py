"""The licence options of the commands that hand something out."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marco_dag.export import Licence


def declare_licence(parser: argparse.ArgumentParser) -> None:
    """Add the options `--license`, `--license-name` and `--license-link`, spelt as the card's fields."""
    parser.add_argument("--license", metavar="ID", help="the hub's identifier, say apache-2.0; without it: fill it in")
    parser.add_argument("--license-name", metavar="NAME", help="with --license other: the licence's name")
    parser.add_argument("--license-link", metavar="LINK", help="with --license other: where it can be read")


def licence_of(chosen: argparse.Namespace) -> "Licence":
    """The licence that the options say; ExportError where they do not fit together."""
    from marco_dag.errors import ExportError
    from marco_dag.export import Licence

    if chosen.license is None and (chosen.license_name or chosen.license_link):
        raise ExportError("--license-name and --license-link say more of --license: give that too, say --license other")
    if chosen.license == "other" and not (chosen.license_name and chosen.license_link):
        raise ExportError("--license other needs --license-name and --license-link")
    return Licence(chosen.license, chosen.license_name, chosen.license_link)


def remind_of_licence(licence: "Licence", folder: Path) -> None:
    """Say, on standard error, what is left to fill in."""
    what = "the terms of what it rests on" if licence.is_chosen else "the licence, and the terms of what it rests on,"
    sys.stderr.write(f"{folder / 'README.md'}: {what} are for you to fill in (FILL-IN)\n")
