"""`marco study`: the paper's tables on the profile's own models, over several seeds, by one command."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from marco_dag.cli.options import declare_profile, declare_root, profile_of
from marco_dag.cli.output import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marco_dag.profiles import Profile

HELP = "Make the paper's tables on the profile's own models: every variant over several seeds, and a page on them."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="SEED", help="runs (default: the profile's study.seeds)"
    )
    parser.add_argument("--only", nargs="+", metavar="CELL", help="only these cells, such as sft full control")
    parser.add_argument("--workers", type=int, default=2, help="processes at once, one thread each (default: 2)")
    parser.add_argument("--page", type=Path, metavar="FOLDER", help="where to write results.md (default: the reports)")
    parser.add_argument("--page-only", action="store_true", help="make no cell; write the page from what there is")
    declare_profile(parser, "the profile that is studied")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Make what is missing, write the page, say where it lies; exit with 1 where cells failed."""
    from marco_dag.errors import StudyError
    from marco_dag.storage import Storage
    from marco_dag.study.gathering import gather
    from marco_dag.study.materials import Study, user_prompts
    from marco_dag.study.page import write_page
    from marco_dag.study.variants import study_of
    from marco_dag.study.workers import make_cells

    if chosen.workers < 1:
        raise StudyError("--workers: at least 1")
    profile = profile_of(chosen)
    storage = Storage(chosen.root) if chosen.root else Storage.from_environment()
    study = Study(profile, storage.artifacts, storage.engine_logs, user_prompts(storage))
    seeds = list(chosen.seeds or study_of(profile).seeds)
    cells = _cells(profile, chosen.only)
    start = time.perf_counter()
    failed = {} if chosen.page_only else make_cells(study, seeds, cells, workers=chosen.workers)
    folder = chosen.page or storage.report_folder(profile.name)
    page = write_page(folder, study, gather(study, seeds), seeds, command=_command(profile, chosen), failed=failed)
    if not chosen.page_only:
        console().print(f"{time.perf_counter() - start:.0f} s for {len(seeds)} seeds", highlight=False)
    console().print(str(page.path), soft_wrap=True, highlight=False)
    for cell, why in failed.items():
        sys.stderr.write(f"marco: {cell}: {why}\n")
    if failed:
        raise SystemExit(1)


def _cells(profile: "Profile", only: "Sequence[str] | None") -> list[str]:
    from marco_dag.errors import StudyError
    from marco_dag.study.runs import cells_of
    from marco_dag.study.variants import variants_of

    cells = cells_of(variants_of(profile))
    if only and (unknown := sorted(set(only) - set(cells))):
        raise StudyError(f"--only: no cell {', '.join(map(repr, unknown))}; there are: {', '.join(cells)}")
    return [cell for cell in cells if not only or cell in only]


def _command(profile: "Profile", chosen: argparse.Namespace) -> str:
    """What writes this page again."""
    parts = ["marco study"]
    if profile.name != "miniature":
        parts.append(f"--profile {chosen.profile or profile.name}")
    if chosen.seeds:
        parts.append(f"--seeds {' '.join(map(str, chosen.seeds))}")
    if chosen.page:
        parts.append(f"--page {chosen.page}")
    return " ".join(parts)
