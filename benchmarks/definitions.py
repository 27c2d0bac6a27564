"""How long the code location takes to load."""

import subprocess
import sys

from benchmarks.figure import Figure

_RUNS = 7
_TIMED_IMPORT = (
    "import time; start = time.perf_counter(); import marco_dag.definitions; print(time.perf_counter() - start)"
)


def measure() -> list[Figure]:
    """Import `marco_dag.definitions` in fresh processes; a first one, not counted, writes the bytecode."""
    seconds = [_seconds_of_import() for _ in range(_RUNS + 1)][1:]
    return [Figure("definitions.import_seconds", "s", seconds)]


def _seconds_of_import() -> float:
    result = subprocess.run([sys.executable, "-c", _TIMED_IMPORT], capture_output=True, text=True, check=True)
    return float(result.stdout.splitlines()[-1])
