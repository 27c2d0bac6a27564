"""The seed prompts of a search: checked before anything is asked, read when their tree is grown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from marco_dag.errors import SearchError
from marco_dag.schemas import conform
from marco_dag.tasks.protocol import Reference, Task


@dataclass(frozen=True, slots=True)
class SeedRow:
    """A question, and what checks its answers."""

    seed_id: str
    batch: str
    prompt: str
    task: Task
    reference: Reference


class SeedRows:
    """The rows of a `schemas.SEED_PROMPTS` frame, all of them good for a search."""

    def __init__(self, seeds: pl.DataFrame, tasks: Mapping[str, Task]) -> None:
        """Check every row; SearchError names seed and field of the first that cannot be searched."""
        try:
            self._frame = conform(seeds, "seed_prompts")
        except ValueError as error:
            raise SearchError(f"seed prompts: {error}") from error
        self._tasks = tasks
        for index in range(len(self)):
            self.read(index)
        for seed_id in self._frame["seed_id"].filter(self._frame["seed_id"].is_duplicated()).head(1):
            raise SearchError(f"seed {seed_id}: stands in the seed prompts twice; its trees would be one and the same")

    def __len__(self) -> int:
        return self._frame.height

    def read(self, index: int) -> SeedRow:
        """One row, with its reference parsed."""
        row = self._frame.row(index, named=True)
        seed_id, task = row["seed_id"], row["task"]
        if nulls := [name for name, value in row.items() if value is None]:
            raise SearchError(f"seed {seed_id}: {', '.join(nulls)}: null")
        if task not in self._tasks:
            raise SearchError(f"seed {seed_id}: task: unknown task {task!r}; known: {', '.join(self._tasks)}")
        try:
            reference = _read_reference(row["reference"], self._tasks[task])
        except ValueError as error:
            raise SearchError(f"seed {seed_id}: reference: {error}") from error
        return SeedRow(seed_id, row["batch"], row["prompt"], self._tasks[task], reference)

    def shortest_prompt(self) -> str:
        """The prompt with the fewest characters; there is at least one row."""
        prompts: list[str] = self._frame["prompt"].to_list()
        return min(prompts, key=len)


def _read_reference(text: str, task: Task) -> Reference:
    reference = json.loads(text)
    if not isinstance(reference, dict):
        raise ValueError(f"{text[:80]!r} is not a JSON object")
    task.check_reference(reference)
    return reference
