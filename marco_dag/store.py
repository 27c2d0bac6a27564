"""Content-addressed artifacts: work that was done once is found again, work that was cut off goes on.

An artifact is a folder named by the hash of everything that decides its content (inputs, configuration, code version).
While it is being made it lives beside its final place as `<id>.partial`, which survives a crash so that the maker can
resume in it; a finished one is renamed into place in one step, so a folder without that suffix is always whole. It is
removed as it came: renamed first, and only while nobody makes, reads or waits for it. What may be removed is decided
by `marco_dag.lifecycle`.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from marco_dag.errors import StorageError
from marco_dag.identity import JsonValue, content_id

MANIFEST = "artifact.json"
"""In every finished artifact: what it was made of, when, at what cost. Its modification time is its last use."""
UNFINISHED = ".partial"
"""What the folder of an unfinished artifact ends in."""
REMOVED = ".removed"
"""What the folder of an artifact ends in that is on its way out."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One finished folder of the store."""

    id: str
    """`<kind>-<16 hex digits>`; equal ids mean equal inputs, configuration and code version."""
    path: Path
    """The folder."""
    reused: bool
    """Whether it was there already."""
    seconds: float
    """What making it cost, then or now."""


@dataclass(frozen=True, slots=True)
class ArtifactManifest:
    """What a finished artifact says of itself."""

    id: str
    """Its id."""
    kind: str
    """Its kind."""
    key: Mapping[str, JsonValue]
    """All that decided its content."""
    seconds: float
    """What making it cost."""
    created_at: float
    """When it was finished, in seconds of the epoch."""
    parts: tuple[str, ...] = ()
    """The artifacts that it was put together from."""


class ArtifactStore:
    """The artifacts below one root, safe for many processes on one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get_or_make(
        self, kind: str, key: Mapping[str, JsonValue], make: Callable[[Path], Sequence[str] | None]
    ) -> Artifact:
        """The artifact of `kind` for `key`; `make(folder)` is called only where it does not exist yet.

        `folder` exists and may hold what an interrupted earlier call left. If `make` raises, what it wrote stays for
        the next try. It may return the ids of artifacts that its own is put together from: they are kept as long as
        this one. A second process that asks for the same artifact waits for the first.
        """
        artifact_id = content_id(kind, dict(key))
        final = self.root / kind / artifact_id
        partial = final.with_name(final.name + UNFINISHED)
        partial.parent.mkdir(parents=True, exist_ok=True)
        with _lock(final):
            if final.exists():
                (final / MANIFEST).touch()
                return Artifact(artifact_id, final, reused=True, seconds=read_manifest(final).seconds)
            partial.mkdir(exist_ok=True)
            start = time.perf_counter()
            parts = make(partial)
            seconds = time.perf_counter() - start
            manifest = ArtifactManifest(artifact_id, kind, dict(key), seconds, time.time(), tuple(parts or ()))
            (partial / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2))
            partial.rename(final)
        return Artifact(artifact_id, final, reused=False, seconds=seconds)


def read_manifest(folder: Path) -> ArtifactManifest:
    """What a finished artifact says of itself.

    StorageError where that cannot be read, FileNotFoundError where there is no such folder.
    """
    try:
        values = json.loads((folder / MANIFEST).read_text())
        return ArtifactManifest(**{**values, "parts": tuple(values.get("parts", ()))})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        if not folder.is_dir():
            raise FileNotFoundError(folder) from error
        raise StorageError(
            f"{folder}: no whole artifact, {MANIFEST} cannot be read ({error}); remove the folder, and it is made anew"
        ) from error


def is_finished(folder: Path) -> bool:
    """Whether an artifact is whole, by its finished folder."""
    return (folder / MANIFEST).is_file()


def last_used(folder: Path) -> float:
    """When a finished artifact was last asked for, or an unfinished one last written to, in seconds of the epoch."""
    if (folder / MANIFEST).exists() and not folder.name.endswith(UNFINISHED):
        return (folder / MANIFEST).stat().st_mtime
    times = [folder.stat().st_mtime]
    for path in folder.rglob("*"):
        try:
            times.append(path.lstat().st_mtime)
        except FileNotFoundError:  # who makes it has just removed it
            continue
    return max(times)


def is_being_made(folder: Path) -> bool:
    """Whether a process makes the artifact, finished or not, or looks at it at this very moment."""
    lock = _lock(folder)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep the artifact that `path` is, or lies in, from being removed for the length of the block.

    Any number of processes may hold it. The system lets go of what a process held that was killed. Nothing to do for a
    path that lies in no artifact; StorageError where it was removed in this very moment.
    """
    manifest = next((folder / MANIFEST for folder in (path, *path.parents) if (folder / MANIFEST).is_file()), None)
    if manifest is None:
        yield
        return
    descriptor = os.open(manifest, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not manifest.exists():
            raise StorageError(f"{path}: was removed in this very moment; try again")
        yield
    finally:
        os.close(descriptor)


def remove(folder: Path, *, unused_since: float) -> bool:
    """Remove an artifact, finished or not; whether it did.

    It does not where a process makes, holds or waits for it, or has used it after `unused_since`.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(_lock(folder).acquire(timeout=0))
            _hold_alone(folder, stack)
        except (Timeout, BlockingIOError, FileNotFoundError):
            return False
        if last_used(folder) > unused_since:
            return False
        leaving = folder.with_name(folder.name + REMOVED)
        shutil.rmtree(leaving, ignore_errors=True)
        folder.rename(leaving)
    shutil.rmtree(leaving)
    return True


def _hold_alone(folder: Path, stack: ExitStack) -> None:
    """Keep `held` waiting; BlockingIOError where somebody holds it."""
    if not (folder / MANIFEST).exists():
        return
    descriptor = os.open(folder / MANIFEST, os.O_RDWR)
    stack.callback(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock(folder: Path) -> FileLock:
    """The lock of an artifact, by its finished or its unfinished folder."""
    return FileLock(folder.with_name(f"{folder.name.removesuffix(UNFINISHED)}{UNFINISHED}.lock"))
