"""A server in a process of its own: started, waited for, started again when it dies, and always stopped.

It knows no vLLM: any command that serves HTTP on a port of this machine, says so at `/health` and logs to its output.
"""

import contextlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from marco_dag.errors import EngineError
from marco_dag.guarded_process import GuardedProcess, describe_status

HOST = "127.0.0.1"
"""Servers listen to this machine alone, unless told otherwise."""

_SECONDS_BETWEEN_LOOKS = 0.25
_LOOK_TIMEOUT_S = 5.0


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class GuardedServer:
    """Use as a context: `with GuardedServer(…) as server: server.wait_until_healthy()`.

    A thread follows its log and starts it again when it dies after it was healthy; the next one listens where the last
    one did, so that callers who are patient go on.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        port: int,
        restarts: int,
        log: Path,
        say: Callable[[str], None],
        host: str = HOST,
    ) -> None:
        """Each line of its log goes to the file `log` as it is, and to `say` behind its `name`.

        `host` is the address on which it is to be found.
        """
        self.name = name
        self.port = port
        self.host = host
        self._command = command
        self._environment = dict(environment)
        self._restarts = restarts
        self._log = log
        self._say = say
        self._process: GuardedProcess | None = None
        self._healthy = False
        self._stopping = False
        self._starting = threading.Lock()
        self._gone: str | None = None
        self._keeping = threading.Thread(target=self._keep_up, name=f"{name}-server", daemon=True)

    def __enter__(self) -> "GuardedServer":
        """Start it; EngineError where its log cannot be written."""
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._log.touch()
        except OSError as error:
            raise EngineError(f"{self._log}: cannot be written: {error.strerror}") from error
        self._keeping.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, with all that it has started; returns once it is gone."""
        self.end()
        self._keeping.join()

    def end(self) -> None:
        """Have it stopped; does not wait, so that several can be stopped at once."""
        with self._starting:
            self._stopping = True
            process = self._process
        if process is not None:
            process.end()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}:{self.port}"

    def why_gone(self) -> str | None:
        """Why it will not come back, with the last lines of its log; None while it is there or being started."""
        return self._gone

    def wait_until_healthy(self, timeout_s: float) -> None:
        """Return once it answers; EngineError with the last lines of its log where it dies first or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if self._gone is not None:
                raise EngineError(self._gone)
            if time.monotonic() > deadline:
                raise EngineError(self._explain(f"is not healthy after {timeout_s:g} s (engine.start_timeout_s)"))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        self._healthy = True

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_LOOK_TIMEOUT_S)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _keep_up(self) -> None:
        """In a thread: run it, again and again as far as that is allowed."""
        for started in range(self._restarts + 1):
            status = self._run()
            if status is None or self._stopping:
                return
            why = describe_status(status)
            if not self._healthy:
                break
            if started < self._restarts:
                self._say(f"[{self.name}] {why}; it is started again ({started + 1} of {self._restarts})")
        self._gone = self._explain(why)

    def _run(self) -> int | None:
        """Start it and follow its log to its end; its exit status, or None where it was not to be started any more."""
        with self._starting:
            if self._stopping:
                return None
            process = self._process = GuardedProcess(self._command, self._environment)
        with process, self._log.open("ab") as log:
            for line in process.lines():
                with contextlib.suppress(OSError):  # a full disk must not silence the server itself
                    log.write(line)
                    log.flush()
                self._say(f"[{self.name}] {line.decode(errors='replace').rstrip()}")
            return process.wait()

    def _explain(self, why: str) -> str:
        tail = "" if self._process is None else self._process.tail
        return f"the server {self.name} {why}; its whole log is {self._log}, and it ends:\n{tail}"


def environment_of(python: str | None, changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server run by another `python`: ours, less what suits our own alone, with `changes`."""
    own = dict(os.environ)
    if python is not None:
        for variable in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            own.pop(variable, None)
    return {**own, **changes}
