"""A real Ray cluster on this machine, for benchmarks and tests: a head, and nodes that can be added and lost.

Each is a raylet of its own, at an address of its own within 127.0.0.0/8, so nothing is reachable from elsewhere; every
one asks for a token that is this cluster's alone.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import psutil

ROOT = Path(__file__).parents[1]
_RAY = Path(sys.executable).with_name("ray")
_STARTED_WITHIN_S = 120.0


class RayCluster:
    """A head that has neither cores nor GPUs, and the nodes that are added; all gone with the `with` block."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._nodes: dict[str, psutil.Popen] = {}
        self.head = "127.0.0.2"
        self._next = 3

    def __enter__(self) -> "RayCluster":
        self._folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: sockets lie below it
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._stack.callback(self._end_all)
        token = self._folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        port, dashboard, client = free_ports(self.head, 3)
        self.address, self.jobs = f"{self.head}:{port}", f"http://{self.head}:{dashboard}"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | {
            "PATH": f"{_RAY.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RAY_ADDRESS": self.address,
            "RAY_API_SERVER_ADDRESS": self.jobs,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_TMPDIR": str(self._folder),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        try:
            self._start(
                self.head,
                *("--head", f"--port={port}", f"--dashboard-host={self.head}", f"--dashboard-port={dashboard}"),
                *(f"--ray-client-server-port={client}", "--num-cpus=0", "--num-gpus=0"),
            )
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add_node(self, *, cores: int = 1, gpus: int = 0) -> str:
        """A further node; its address."""
        address = f"127.0.0.{self._next}"
        self._next += 1
        self._start(address, f"--address={self.address}", f"--num-cpus={cores}", f"--num-gpus={gpus}")
        return address

    def lose_node(self, address: str) -> None:
        """Kill all its processes at once, as a power cut would."""
        for process in self.processes_of(address):
            kill(process)

    def end_node(self, address: str) -> None:
        """Lose it, where it is still there."""
        self.lose_node(address)
        self._nodes.pop(address).wait(10)

    def processes_of(self, address: str) -> list[psutil.Process]:
        """What runs on a node."""
        try:
            return [self._nodes[address], *self._nodes[address].children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @property
    def nodes(self) -> list[str]:
        """The addresses of the nodes that were added and not ended."""
        return [address for address in self._nodes if address != self.head]

    def _start(self, address: str, *options: str) -> None:
        [agent] = free_ports(address, 1)
        log = self._folder / f"{address}.log"
        command = [str(_RAY), "start", "--block", f"--node-ip-address={address}", *options]
        command += [f"--dashboard-agent-listen-port={agent}", "--object-store-memory=80000000"]
        with log.open("w") as output:
            started = psutil.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self._folder
            )
        self._nodes[address] = started
        deadline = time.monotonic() + _STARTED_WITHIN_S
        while "Ray runtime started" not in log.read_text():
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)

    def _end_all(self) -> None:
        for address in [*self._nodes]:
            self.end_node(address)


def free_ports(address: str, count: int) -> list[int]:
    """Ports of `address` that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((address, 0))
        return [one.getsockname()[1] for one in sockets]


def kill(process: psutil.Process) -> None:
    """End it and let go of it."""
    try:
        process.kill()
        process.wait(10)
    except psutil.NoSuchProcess:
        return
