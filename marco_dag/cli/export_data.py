"""`marco export-data`: the training sets as a data set with its card."""

import argparse
import sys
from pathlib import Path

from marco_dag.cli.licences import declare_licence, licence_of, remind_of_licence
from marco_dag.cli.options import declare_profile, declare_root, profile_of, storage_of

HELP = "Write the training sets as Parquet, with a data card on schema, counts, making, decontamination and licence."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("folder", type=Path, help="where to; it must not exist yet, or be empty")
    parser.add_argument(
        "--tables",
        nargs="+",
        metavar="TABLE",
        help="cot_set, preference_pairs (default: these two), chains, trees, thoughts, seed_prompts",
    )
    parser.add_argument("--name", help="what the card calls it (default: the folder's name)")
    declare_licence(parser)
    declare_profile(parser, "whose rules of decontamination the card tells")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Write the folder."""
    from marco_dag.export import DEFAULT_TABLES, export_data

    profile, storage, licence = profile_of(chosen), storage_of(chosen), licence_of(chosen)
    rows = export_data(
        storage,
        chosen.folder,
        licence,
        name=chosen.name or chosen.folder.absolute().name,
        tables=chosen.tables or DEFAULT_TABLES,
        seeds=profile.seeds,
    )
    counts = ", ".join(f"{table} {count}" for table, count in rows.items())
    sys.stdout.write(f"{chosen.folder}: {counts}\n")
    remind_of_licence(licence, chosen.folder)
