"""`marco export`: a checkpoint as a Hugging Face folder with its card."""

import argparse
import sys
from pathlib import Path

from marco_dag.cli.licences import declare_licence, licence_of, remind_of_licence
from marco_dag.cli.options import declare_profile, declare_root, profile_of, storage_of

HELP = "Write a checkpoint as a Hugging Face folder, with a model card on its data, scores, settings and licence."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("checkpoint", help="champion, candidate, sft, a recipe, or an artifact")
    parser.add_argument("folder", type=Path, help="where to; it must not exist yet, or be empty")
    parser.add_argument("--name", help="what the card calls it (default: the folder's name)")
    declare_licence(parser)
    declare_profile(parser, "whose registered model and confidence to go by")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Write the folder."""
    from marco_dag.export import export_checkpoint
    from marco_dag.registry import MlflowStore, registered_name
    from marco_dag.registry.checkpoints import find_checkpoint

    profile, storage, licence = profile_of(chosen), storage_of(chosen), licence_of(chosen)
    found = find_checkpoint(storage, MlflowStore.of(storage), registered_name(profile.name), chosen.checkpoint)
    name = chosen.name or chosen.folder.absolute().name
    export_checkpoint(storage, found, chosen.folder, licence, name=name, confidence=profile.evaluation.confidence)
    sys.stdout.write(f"{chosen.folder}\n")
    remind_of_licence(licence, chosen.folder)
