"""What Dagster, lineage and tracking add to the work itself.

Running the whole demo a second time without Dagster would drown the answer in the noise of minutes of training. What
orchestration costs does not depend on how long training takes: it is process start, imports, the event log, MLflow,
lineage events, table files, pictures for the web UI, and looking finished work up. A run that finds every costly
artifact done pays all of that and does only the cheap part of the work. So, in the folders of one demo:

    overhead = such a run through Dagster - the same cheap work by library calls (benchmarks.cheap_work)
    ratio    = demo.seconds / (demo.seconds - overhead)

Both sides are whole processes. Digesting checkpoints counts as orchestration, which only it needs.
"""

import os
from pathlib import Path

from benchmarks.demo import PROFILE, run_demo
from benchmarks.figure import Figure
from benchmarks.processes import run_python


def measure() -> list[Figure]:
    """Compare runs that find everything done with the same library calls made directly."""
    runs = run_demo()
    environment = {**os.environ, "MARCO_HOME": str(runs.home), "MARCO_PROFILE": PROFILE}
    direct = [
        run_python("-m", "benchmarks.cheap_work", folder=runs.home.parent, environment=_with_repository(environment))
        for _ in runs.again
    ]
    overheads = [through.seconds - alone.seconds for through, alone in zip(runs.again, direct, strict=True)]
    ratios = [runs.first.seconds / (runs.first.seconds - overhead) for overhead in overheads]
    return [
        Figure("orchestration.overhead_seconds", "s", overheads),
        Figure("orchestration.overhead_ratio", "ratio", ratios),
    ]


def _with_repository(environment: dict[str, str]) -> dict[str, str]:
    """A child that runs elsewhere must be told where this package is: it is not installed."""
    return {**environment, "PYTHONPATH": str(Path(__file__).parent.parent)}
