"""Runs a command that must not outlive whoever started it: `python -I guardian.py COMMAND…`, standard input a pipe.

The command, with all it starts, is ended when that pipe closes, which it does however its holder ends, by SIGKILL too;
when the process that started this one is gone; when this one gets SIGTERM; and what it leaves behind is ended when it
ends itself. Exits with the command's own status. Needs the standard library alone, as any Python has it.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from types import FrameType

SECONDS_TO_END = 4
"""What the command is given to end by itself before it is killed; well below what a terminated run may take."""


def main() -> int:
    """See the module."""
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)

    def end(*_: int | FrameType | None) -> None:
        _signal_all(command.pid, signal.SIGTERM)
        signal.alarm(SECONDS_TO_END)

    def kill(*_: int | FrameType | None) -> None:
        _signal_all(command.pid, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, kill)
    threading.Thread(target=_wait_for_the_holder_to_go, daemon=True).start()
    status = command.wait()
    kill()
    return status if status >= 0 else 128 - status


def _wait_for_the_holder_to_go() -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable and not os.read(sys.stdin.fileno(), 1024):
            break
    os.kill(os.getpid(), signal.SIGTERM)


def _signal_all(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


if __name__ == "__main__":
    sys.exit(main())
