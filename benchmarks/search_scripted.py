"""The search without a model: what the search itself costs in time, memory and disk, and what resuming it costs.

Each search runs in a process of its own on one core (`python -m benchmarks.search_scripted --help`). The scripted model
is right a third of the time and answers at once, so nothing hides behind it.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.figure import Figure
from marco_dag.engines import Completion, Request, Role, ScriptedEngine
from marco_dag.search import THOUGHTS_FILE, SearchConfig, grow_forest, search_into
from marco_dag.seeds import SeedsConfig, generated_seeds

_FEW, _MANY = 1_000, 10_000
_REPETITIONS = 5
_CONFIG = SearchConfig(openings={}, instructions="", rollouts=12)
_KILLED_AFTER = 0.8
"""Share of a whole search's time after which one is killed."""
_QUIET_SECONDS = 0.5


def measure() -> list[Figure]:
    """A scripted search over 1,000 and 10,000 seeds, five times each; killed and resumed, five times."""
    few, many, resumed = [], [], []
    with tempfile.TemporaryDirectory(prefix="marco-bench-") as name:
        for repetition in range(_REPETITIONS):
            few.append(_grow(Path(name) / f"few-{repetition}", _FEW))
            many.append(_grow(Path(name) / f"many-{repetition}", _MANY))
            resumed.append(_kill_and_resume(Path(name) / f"killed-{repetition}", many[-1]["seconds"] * _KILLED_AFTER))
    rss = [large["rss_mib"] / small["rss_mib"] - 1 for small, large in zip(few, many, strict=True)]
    return [
        Figure("search.scripted_expansions_per_s", "1/s", [run["expansions"] / run["seconds"] for run in many]),
        Figure("search.rss_growth", "ratio", rss),
        Figure("search.rss_mib", "MiB", [run["rss_mib"] for run in many]),
        Figure("search.bytes_per_node", "B", [run["bytes_beyond_text"] / run["nodes"] for run in many]),
        Figure("search.resume_overhead", "ratio", resumed),
    ]


def _grow(folder: Path, seeds: int) -> dict[str, float]:
    """One search from nothing; what it cost."""
    process = _start("grow", folder, seeds)
    most_bytes = 0
    while process.poll() is None:
        most_bytes = max(most_bytes, _bytes_below(folder))
        time.sleep(0.25)
    most_bytes = max(most_bytes, _bytes_below(folder))
    cost = _result(process)
    cost["bytes_beyond_text"] = most_bytes - cost["text_bytes"]
    return cost


def _kill_and_resume(folder: Path, seconds: float) -> float:
    """Kill a search after so many seconds; the time that resuming takes until only new calls are left, over them."""
    process = _start("grow", folder, _MANY)
    while not any(folder.glob("search/search.json")):
        time.sleep(0.01)
    time.sleep(seconds)
    process.kill()
    process.wait()
    return _result(_start("resume", folder, _MANY))["seconds"] / seconds


def _start(mode: str, folder: Path, seeds: int) -> "subprocess.Popen[str]":
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.search_scripted", mode, str(folder), str(seeds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _result(process: "subprocess.Popen[str]") -> dict[str, float]:
    out, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, output=out)
    result: dict[str, float] = json.loads(out)
    return result


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # renamed or removed while it was looked at
            continue
    return total


class _Mute(ScriptedEngine):
    """An engine that never answers, and remembers when it was last asked."""

    def __init__(self) -> None:
        super().__init__(lambda _request, _sample: "")
        self.last_asked = time.perf_counter()

    async def complete(self, request: Request) -> Sequence[Completion]:
        del request
        self.last_asked = time.perf_counter()
        await asyncio.Event().wait()
        return []


def _write(request: Request, sample: int) -> str:
    draw = random.Random(request.seed + sample)
    words = " ".join(f"step{draw.randrange(1000)}" for _ in range(8))
    return (str(draw.randrange(3)) if request.stop[0] == "</answer>" else words) + request.stop[0]


def _grow_here(folder: Path, seeds: pl.DataFrame) -> dict[str, float]:
    engine = ScriptedEngine(_write)
    roles: dict[Role, ScriptedEngine] = {"generator": engine, "critic": engine}
    start = time.perf_counter()
    search_into(folder, seeds, roles, _CONFIG, seed=0)
    seconds = time.perf_counter() - start
    rss = _peak_rss_mib()
    counted = (
        pl.scan_parquet(folder / THOUGHTS_FILE)
        .select(
            nodes=pl.len(),
            text_bytes=pl.col("text").str.len_bytes().sum(),
            expansions=pl.struct("tree_id", "parent_id").n_unique(),
        )
        .collect()
        .row(0, named=True)
    )
    return {"seconds": seconds, "rss_mib": rss, **counted}


def _resume_here(folder: Path, seeds: pl.DataFrame) -> dict[str, float]:
    """How long it takes until every tree under way waits for a call that was never answered."""
    engine = _Mute()
    roles: dict[Role, ScriptedEngine] = {"generator": engine, "critic": engine}

    async def resume() -> float:
        start = time.perf_counter()
        search = asyncio.create_task(grow_forest(folder, seeds, roles, _CONFIG, seed=0))
        engine.last_asked = start
        while engine.last_asked == start or time.perf_counter() - engine.last_asked < _QUIET_SECONDS:
            await asyncio.sleep(_QUIET_SECONDS)
        search.cancel()
        await asyncio.wait([search])
        return engine.last_asked - start

    return {"seconds": asyncio.run(resume())}


def _peak_rss_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Run one search in this process and print what it cost, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_scripted", description=main.__doc__)
    parser.add_argument("mode", choices=("grow", "resume"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("seeds", type=int)
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    per_task = SeedsConfig(tasks=("letters",), generated_per_task=chosen.seeds)
    seeds = generated_seeds(per_task, seed=0, batch="generated")
    run = _grow_here if chosen.mode == "grow" else _resume_here
    print(json.dumps(run(chosen.folder, seeds)))


if __name__ == "__main__":
    main()
