"""Run a command in a process of its own and see what it cost."""

import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost."""

    seconds: float
    """From its start to its end."""
    peak_rss_gib: float
    """The largest resident memory of the process and its descendants together; pages that they share count for each."""


def run_python(*arguments: str, folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run this Python with `arguments` in `folder`; CalledProcessError, with the end of its output, if it fails.

    What it prints goes to `folder`/output.log, so that no terminal slows it down.
    """
    with (folder / "output.log").open("ab") as log:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=dict(environment), stdout=log, stderr=subprocess.STDOUT
        )
        watch = _MemoryWatch(process.pid)
        watch.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        watch.stop()
    if status:
        tail = (folder / "output.log").read_text(errors="replace")[-4000:]
        raise subprocess.CalledProcessError(status, process.args, output=tail)
    return Cost(seconds, watch.peak_bytes / 2**30)


class _MemoryWatch(threading.Thread):
    """Looks at the memory of a process tree until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._pid = pid
        self._over = threading.Event()

    def run(self) -> None:
        """Look, wait, look again."""
        while not self._over.wait(_SECONDS_BETWEEN_LOOKS):
            self.peak_bytes = max(self.peak_bytes, _tree_bytes(self._pid))

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()


def _tree_bytes(pid: int) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total
