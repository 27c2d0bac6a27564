"""Worker processes that run math-verify: started when first needed, kept, ended hard when an answer takes too long.

math-verify is not thread-safe, and an answer like `9^{9^{9^9}}` would keep it busy for ever. A worker is a plain Python
that imports math-verify alone (`worker`), so nothing of this process is forked. Any thread may ask; a child that this
process forks gets workers of its own. Workers end with their parent, however it ends.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Literal, TypeAlias, cast

from marco_dag.errors import TaskError
from marco_dag.tasks.math import worker

PROCESSOR_SECONDS = 1.0
"""What one comparison may cost: processor time, so that a busy machine changes no verdict."""
WALL_SECONDS = 1.5
"""After this a worker is killed whatever it has used."""
MEMORY_BYTES = 512 * 2**20
"""The address space of a worker; it needs a sixth of that."""
MAX_WORKERS = 4
"""How many threads of this process can compare at once; one thread starts one worker."""

Comparison: TypeAlias = Literal["equal", "different", "unreadable_gold", "unreadable_answer", "unchecked"]
"""What math-verify found; `unchecked` where it took too long or broke down."""

_START_SECONDS = 60.0
_SUDDEN_SECONDS = 0.2
_TRIES = 2


def ask_math_verify(pairs: Sequence[tuple[str, str]]) -> Comparison:
    """Whether each pair of a gold answer and an answer is equal, in the time that one comparison has.

    Texts in LaTeX, a few thousand characters in all. TaskError where no worker can be started.
    """
    return _pool.ask(json.dumps(pairs).encode() + b"\n")


class _WorkerGoneError(Exception):
    """A worker went for a reason of its own: the answer that it was asked about is not to blame."""


class _Worker:
    """One worker process; serves one caller at a time."""

    def __init__(self) -> None:
        """Start it; it gets ready on its own. TaskError where it cannot be started."""
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONHASHSEED": "0",
            "SYMPY_GROUND_TYPES": "python",
        }
        limits = [str(PROCESSOR_SECONDS), str(MEMORY_BYTES)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", worker.__file__, *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise TaskError(f"a process for math-verify cannot be started: {error}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._is_ready = False
        self.is_over = False
        """Whether it must not be asked again."""

    def ask(self, request: bytes) -> Comparison:
        """What it found; it is over where it took too long. _WorkerGoneError where it was gone already."""
        if not self._is_ready:
            self._wait_until_ready()
        asked_at = time.monotonic()
        try:
            self._requests.write(request)
        except BrokenPipeError as error:
            raise _WorkerGoneError from error
        reply = self._read_line(WALL_SECONDS)
        if reply is None and time.monotonic() - asked_at < _SUDDEN_SECONDS:
            raise _WorkerGoneError
        self.is_over = reply is None or bool(reply["last"])
        return cast(Comparison, reply["finding"]) if reply else "unchecked"

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._replies.close()

    def disown(self) -> None:
        """In a forked child: let go of the parent's worker without ending it."""
        self._process.returncode = 0
        self._requests.close()
        self._replies.close()

    def _wait_until_ready(self) -> None:
        greeting = self._read_line(_START_SECONDS)
        if greeting is None or "failed" in greeting:
            why = greeting["failed"] if greeting else f"it is not ready after {_START_SECONDS:g} s, or ended"
            raise TaskError(f"a process for math-verify does not start ({sys.executable}): {why}")
        self._is_ready = True

    def _read_line(self, seconds: float) -> dict[str, object] | None:
        """Its next line; None where it ends first or takes longer than `seconds`."""
        descriptor = self._replies.fileno()
        readable = select.poll()
        readable.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            chunk = os.read(descriptor, 1 << 16) if readable.poll(left * 1000) else b""
            if not chunk:
                return None
            line += chunk
        return cast(dict[str, object], json.loads(line))


class _Pool:
    """The workers of this process, each asked by one thread at a time."""

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(MAX_WORKERS)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    def ask(self, request: bytes) -> Comparison:
        """A worker's finding, or that of another one where the first was gone."""
        with self._free:
            for _ in range(_TRIES):
                asked = self._take()
                try:
                    finding = asked.ask(request)
                except _WorkerGoneError:
                    self._end(asked)
                    continue
                except BaseException:  # a late reply must not be taken for the next one
                    self._end(asked)
                    raise
                if asked.is_over:
                    self._end(asked)
                    asked = self._start()  # now, so that the next caller need not wait for all of its start
                with self._lock:
                    self._idle.append(asked)
                return finding
            return "unchecked"

    def end(self) -> None:
        """End every worker."""
        with self._lock:
            workers, self._idle, self._all = self._all, [], set()
        for one in workers:
            one.end()

    def disown(self) -> None:
        """In a forked child: let go of every worker."""
        for one in self._all:
            one.disown()

    def _take(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._start()

    def _start(self) -> _Worker:
        started = _Worker()
        with self._lock:
            self._all.add(started)
        return started

    def _end(self, over: _Worker) -> None:
        with self._lock:
            self._all.discard(over)
        over.end()


_pool = _Pool()


def _end_all() -> None:
    _pool.end()


def _start_over() -> None:
    global _pool
    _pool.disown()
    _pool = _Pool()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_start_over)
