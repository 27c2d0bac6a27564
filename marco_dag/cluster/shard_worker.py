"""A worker of a sharded search: a process on some node that opens engines once and searches shard after shard."""

import os
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from marco_dag.cluster.search_task import SearchTask
from marco_dag.engines import RoleEngines, open_roles
from marco_dag.errors import SearchHeldError
from marco_dag.search import Shard, search_into

_SECONDS_TO_LET_GO = 60.0
"""How long a process may live on that has lost its node, and hold on to its shard."""


class ShardWorker:
    """What Ray makes a process of. What it starts ends with it, also by SIGKILL (`marco_dag.guardian`)."""

    def __init__(self, task: str) -> None:
        """`task` is a `SearchTask` as JSON."""
        self._task = SearchTask.model_validate_json(task)
        self._opened = ExitStack()
        self._engines: RoleEngines = {}

    def open(self) -> None:
        """Open the engines; EngineError where that cannot be done."""
        logs = self._task.logs / f"{socket.gethostname()}-{os.getpid()}"
        self._engines = self._opened.enter_context(
            open_roles(self._task.checkpoints, self._task.engines, logs=logs, say=_say)
        )

    def search(self, folder: str) -> None:
        """Search the shard in `folder`, from where another worker left it; errors as `search_into`."""
        seeds = Shard(Path(folder)).seeds
        deadline = time.monotonic() + _SECONDS_TO_LET_GO
        while True:
            try:
                search_into(Path(folder), seeds, self._engines, self._task.search, seed=self._task.seed)
            except SearchHeldError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1.0)
            else:
                return


def _say(line: str) -> None:
    """To standard error, which Ray keeps in a file of the worker's."""
    sys.stderr.write(f"{line}\n")
