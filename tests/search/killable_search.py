"""A search in a process of its own, to be killed: `python killable_search.py FOLDER`.

The scripted engine takes a moment for each call and notes each one that it was asked for in FOLDER/asked.
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from marco_dag.engines import Completion, Request, ScriptedEngine
from marco_dag.identity import content_id
from marco_dag.schemas import SEED_PROMPTS
from marco_dag.search import SearchConfig, search_into

TREES = 150
IN_FLIGHT = 24
CONFIG = SearchConfig(openings={}, instructions="", rollouts=6, hard_after=2, live_sequences=IN_FLIGHT)


def seeds() -> pl.DataFrame:
    """Letters questions."""
    rows = []
    for number in range(TREES):
        prompt, reference = f"How many a in a{number}?", json.dumps({"word": f"a{number}", "letter": "a"})
        rows.append((content_id("seed", prompt), "letters", prompt, reference, "generated", "train", "first"))
    return pl.DataFrame(rows, schema=SEED_PROMPTS, orient="row")


def write(request: Request, sample: int) -> str:
    """Right half of the time, one thought in twelve without its end."""
    draw = random.Random(f"{request.seed} {sample}")
    if request.stop[0] == "</answer>":
        return draw.choice("12") + request.stop[0]
    return f"step {draw.randrange(1000)}" + ("" if draw.random() < 1 / 12 else request.stop[0])


class NotedEngine(ScriptedEngine):
    """Takes up to forty milliseconds a call, and notes each one."""

    def __init__(self, notes: Path) -> None:
        super().__init__(write)
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def complete(self, request: Request) -> Sequence[Completion]:
        os.write(self._notes, f"{request.seed}\n".encode())
        await asyncio.sleep(request.seed % 40 / 1000)
        return await super().complete(request)


def main(folder: Path) -> None:
    """Search into `folder`."""
    engine = NotedEngine(folder / "asked")
    search_into(folder, seeds(), {"generator": engine, "critic": engine}, CONFIG, seed=3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
