"""`marco profile`: a profile, checked and printed in full."""

import argparse
import sys

HELP = "Check a profile and print it in full; without a name, list those shipped."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("profile", nargs="?", metavar="NAME_OR_PATH", help="a shipped profile's name, or a .yaml file")


def run(chosen: argparse.Namespace) -> None:
    """Print the profile, or the names."""
    import yaml

    from marco_dag.profiles import load_profile, shipped_profiles

    if chosen.profile is None:
        sys.stdout.write("".join(f"{name}\n" for name in shipped_profiles()))
    else:
        profile = load_profile(chosen.profile).model_dump(mode="json")
        sys.stdout.write(yaml.safe_dump(profile, sort_keys=False, allow_unicode=True))
