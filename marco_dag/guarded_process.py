"""A command that ends, with all it has started, no later than whoever started it: servers, the ranks of a training.

How it is ended is `marco_dag.guardian`'s; what its lines mean is for who reads them.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType

from marco_dag import guardian

_LAST_LINES = 30


class GuardedProcess:
    """Started when made; as a context it is gone, with all it has started, when the block has ended.

    `lines()` has to be read to its end: a full pipe would stop the command.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._tail: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = subprocess.Popen(
            [sys.executable, "-I", guardian.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )

    def __enter__(self) -> "GuardedProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; returns once it is gone."""
        self.end()
        with self._process:
            for _ in self.lines():
                pass

    def end(self) -> None:
        """Have it ended; does not wait."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def lines(self) -> Iterator[bytes]:
        """What it writes, standard error too, line by line as it comes, until it ends."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._tail.append(line.decode(errors="replace").rstrip())
            yield line

    def wait(self) -> int:
        """Its exit status once it has ended; 128 + n where signal n ended it."""
        status = self._process.wait()
        return status if status >= 0 else 128 - status

    @property
    def tail(self) -> str:
        """The last lines that were read, indented."""
        return "\n".join(f"  {line}" for line in self._tail)


def describe_status(status: int) -> str:
    """`GuardedProcess.wait`'s status in words."""
    if status < 128:
        return f"ended with status {status}"
    try:
        name = signal.Signals(status - 128).name
    except ValueError:
        name = str(status - 128)
    return f"was ended by signal {name}"


def end_with_parent() -> None:
    """From now on this process is killed as soon as the one that started it is gone, however that one ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
