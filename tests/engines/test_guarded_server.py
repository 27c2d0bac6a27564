"""A server is waited for, started again when it dies, and never left behind, however its holder ends."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from marco_dag import guardian
from marco_dag.engines.guarded_server import GuardedServer, environment_of, free_port
from marco_dag.errors import EngineError

SCRIPT = Path(__file__).with_name("small_server.py")
Make = Callable[..., GuardedServer]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, said: list[str]) -> Make:
    def server(*options: str, restarts: int = 0) -> GuardedServer:
        port = free_port()
        return GuardedServer(
            "generator",
            [sys.executable, str(SCRIPT), str(port), *options],
            environment_of(None, {}),
            port=port,
            restarts=restarts,
            log=tmp_path / "logs" / "generator.log",
            say=said.append,
        )

    return server


def pid_of(said: list[str], nth: int = -1) -> int:
    return [int(found[1]) for line in said if (found := re.search(r"process (\d+) starts", line))][nth]


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_is_there_when_it_is_healthy_and_gone_after_the_block(make: Make, said: list[str], tmp_path: Path) -> None:
    with make("--healthy-after", "0.3") as server:
        server.wait_until_healthy(20)
        assert "[generator] listening" in said
        pid = pid_of(said)
        assert server.why_gone() is None
    assert is_gone(pid)
    assert "listening" in (tmp_path / "logs" / "generator.log").read_text()


def test_an_error_in_the_block_stops_it_too(make: Make, said: list[str]) -> None:
    def work() -> None:
        with make() as server:
            server.wait_until_healthy(20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert is_gone(pid_of(said))


def test_what_it_has_started_goes_with_it(make: Make, tmp_path: Path) -> None:
    with make("--child", str(tmp_path / "child")) as server:
        server.wait_until_healthy(20)
        child = int((tmp_path / "child").read_text())
    wait_until(lambda: is_gone(child))


def test_one_that_dies_before_it_is_healthy_is_explained_by_its_log(make: Make, tmp_path: Path) -> None:
    dying = make("--healthy-after", "60", "--dies-after", "0.2", restarts=5)
    with dying, pytest.raises(EngineError, match="generator ended with status 3") as caught:
        dying.wait_until_healthy(20)
    assert str(tmp_path / "logs" / "generator.log") in str(caught.value)
    assert str(caught.value).endswith("  out of memory")


def test_one_that_takes_too_long_is_explained_by_its_log(make: Make) -> None:
    begun = time.monotonic()
    slow = make("--healthy-after", "60")
    said = r"is not healthy after 1 s \(engine.start_timeout_s\)(.|\n)*starts"
    with slow, pytest.raises(EngineError, match=said):
        slow.wait_until_healthy(1)
    assert time.monotonic() - begun < 10


def test_one_that_is_killed_is_started_again_at_the_same_place(make: Make, said: list[str]) -> None:
    with make(restarts=1) as server:
        server.wait_until_healthy(20)
        os.kill(pid_of(said), signal.SIGKILL)
        wait_until(lambda: sum("listening" in line for line in said) == 2)
        server.wait_until_healthy(20)
        assert "[generator] was ended by signal SIGKILL; it is started again (1 of 1)" in said
        os.kill(pid_of(said), signal.SIGKILL)
        wait_until(lambda: server.why_gone() is not None)
        assert "was ended by signal SIGKILL" in str(server.why_gone())


def test_one_that_does_not_listen_to_sigterm_is_killed(make: Make, said: list[str]) -> None:
    with make("--deaf") as server:
        server.wait_until_healthy(20)
        begun = time.monotonic()
    assert is_gone(pid_of(said))
    assert guardian.SECONDS_TO_END <= time.monotonic() - begun < 8


HOLDER = """
import sys, time
from pathlib import Path
from marco_dag.engines.guarded_server import GuardedServer, environment_of, free_port
port = free_port()
command = [sys.executable, sys.argv[1], str(port), "--child", sys.argv[2] + "/child"]
log = Path(sys.argv[2]) / "log"
with GuardedServer("s", command, environment_of(None, {}), port=port, restarts=3, log=log, say=print) as server:
    server.wait_until_healthy(20)
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that holds a server, and the ids of the server and of what that started."""
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(SCRIPT), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line == "ready\n":
            break
    yield process, [pid_of(said), int((tmp_path / "child").read_text())]
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_holder_that_is_ended_leaves_nothing_behind(holder: tuple, number: signal.Signals) -> None:
    process, pids = holder
    assert not any(is_gone(pid) for pid in pids)
    process.send_signal(number)
    process.communicate(timeout=15)
    wait_until(lambda: all(is_gone(pid) for pid in pids))


def test_a_log_that_cannot_be_written_is_said_at_once(make: Make, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    with pytest.raises(EngineError, match=r"generator\.log: cannot be written"), make():
        pass


def test_another_python_does_not_inherit_what_suits_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("ELSE", "kept")
    assert "PYTHONPATH" not in environment_of("/other/python", {})
    assert environment_of("/other/python", {"ELSE": "changed"})["ELSE"] == "changed"
    assert environment_of(None, {})["PYTHONPATH"] == "/ours"
