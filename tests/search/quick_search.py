"""A search of two blocks that is over in a moment: what is done to its folder is what is tested.

In a process of its own: `python quick_search.py FOLDER [--bytes BYTES] [--signal KILL|STOP EVENT NAME]`. No file then
grows beyond so many bytes; the process sends itself the signal just before what Python audits as EVENT (say, os.rename)
happens to the file NAME.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from marco_dag.engines import Completion, Request, ScriptedEngine
from marco_dag.errors import EngineUnavailableError, SearchError
from marco_dag.identity import content_id
from marco_dag.schemas import SEED_PROMPTS
from marco_dag.search import THOUGHTS_FILE, TREES_FILE, SearchConfig, search_into

TREES = 70
CONFIG = SearchConfig(openings={}, instructions="", rollouts=3, live_sequences=24)


def seeds() -> pl.DataFrame:
    """Letters questions."""
    rows = []
    for number in range(TREES):
        prompt, reference = f"How many a in a{number}?", json.dumps({"word": f"a{number}", "letter": "a"})
        rows.append((content_id("seed", prompt), "letters", prompt, reference, "generated", "train", "first"))
    return pl.DataFrame(rows, schema=SEED_PROMPTS, orient="row")


def write(request: Request, sample: int) -> str:
    """Right half of the time."""
    draw = random.Random(f"{request.seed} {sample}")
    text = draw.choice("12") if request.stop[0] == "</answer>" else f"step {draw.randrange(1000)}"
    return text + request.stop[0]


class CountingEngine(ScriptedEngine):
    """Counts its calls, and is gone for good after `limit` of them."""

    def __init__(self, limit: int = sys.maxsize) -> None:
        super().__init__(write)
        self.calls = 0
        self._limit = limit

    async def complete(self, request: Request) -> Sequence[Completion]:
        if self.calls == self._limit:
            raise EngineUnavailableError("nobody answers any more")
        self.calls += 1
        return await super().complete(request)


def search(folder: Path, calls: int = sys.maxsize, **settings: object) -> int:
    """Search into `folder` until it is done or the engine has answered so many calls; how many it answered."""
    engine = CountingEngine(calls)
    config = CONFIG.model_copy(update=settings)
    with contextlib.suppress(EngineUnavailableError):
        search_into(folder, seeds(), {"generator": engine, "critic": engine}, config, seed=3)
    return engine.calls


def tables(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the search left, without the time it took."""
    return pl.read_parquet(folder / TREES_FILE).drop("seconds"), pl.read_parquet(folder / THOUGHTS_FILE)


def assert_same_tables(folder: Path, undisturbed: Path) -> None:
    """The search in `folder` has ended as the other one, and left nothing else."""
    for ours, theirs in zip(tables(folder), tables(undisturbed), strict=True):
        assert_frame_equal(ours, theirs)
    assert {file.name for file in folder.iterdir()} == {TREES_FILE, THOUGHTS_FILE}


def signal_myself(name: str, event: str, file: str) -> None:
    """Just before `event` happens to `file`."""

    def listen(happening: str, arguments: tuple[object, ...]) -> None:
        if happening == event and any(str(argument).endswith(f"/{file}") for argument in arguments):
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])

    sys.addaudithook(listen)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bytes", type=int, default=resource.RLIM_INFINITY)
    parser.add_argument("--signal", nargs=3)
    chosen = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_FSIZE, (chosen.bytes, resource.RLIM_INFINITY))
    if chosen.signal:
        signal_myself(*chosen.signal)
    try:
        search(chosen.folder)
    except SearchError as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
