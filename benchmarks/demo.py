"""What `make demo` costs: time and memory of the first run, time of a run that finds everything done."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.processes import Cost, run_python

PROFILE = "miniature"
_REPOSITORY = Path(__file__).resolve().parent.parent
_RUNS_AGAIN = 3


@dataclass(frozen=True, slots=True)
class DemoRuns:
    """One demo from nothing, and what followed in the same folders."""

    home: Path
    """Its storage root, kept until this process ends."""
    first: Cost
    """From nothing."""
    again: Sequence[Cost]
    """With nothing changed, several times."""


def measure() -> list[Figure]:
    """Run the demo from nothing in folders of its own, then again with nothing changed."""
    runs = run_demo()
    return [
        Figure("demo.seconds", "s", [runs.first.seconds]),
        Figure("demo.peak_rss_gib", "GiB", [runs.first.peak_rss_gib]),
        Figure("demo.second_run_seconds", "s", [cost.seconds for cost in runs.again]),
    ]


@cache
def run_demo() -> DemoRuns:
    """The runs, measured once a process however many areas want them."""
    folder = Path(tempfile.mkdtemp(prefix="marco-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copy(_REPOSITORY / "dagster.yaml", folder)
    home = folder / "data"
    environment = {**os.environ, "MARCO_HOME": str(home), "MARCO_PROFILE": PROFILE, "DAGSTER_HOME": str(folder)}
    first, *again = [
        run_python("-m", "assets.demo", folder=folder, environment=environment) for _ in range(1 + _RUNS_AGAIN)
    ]
    return DemoRuns(home, first, again)
