"""One process at a time holds a search's folder. The system lets go of what a process held that was killed."""

import contextlib
import fcntl
import os
import socket
import time
from pathlib import Path

from filelock import FileLock, Timeout

from marco_dag.errors import SearchHeldError

_LOCK = "lock"
_HOLDER = "holder"
_SECONDS_TO_WAIT = 0.5  # somebody who looks whether it is held holds it for an instant


class Claim:
    """A process's claim on a folder that exists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / _LOCK)

    def take(self) -> None:
        """Hold the folder.

        SearchHeldError, naming the holder, where another process does; OSError where the disk refuses.
        """
        try:
            self._lock.acquire(timeout=_SECONDS_TO_WAIT)
        except Timeout:
            raise SearchHeldError(
                f"{self._folder}: {holder(self._folder)} is searching here. Wait for it or end it; one search, one "
                "process."
            ) from None
        try:
            (self._folder / _HOLDER).write_text(
                f"process {os.getpid()} on {socket.gethostname()}, since {time.ctime()},"
            )
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others in."""
        self._lock.release()


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder; for any process, in its way for no longer than an instant."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(folder: Path) -> str:
    """Who held the folder last: its process, machine and since when."""
    with contextlib.suppress(OSError):
        return (folder / _HOLDER).read_text()
    return "another process"
