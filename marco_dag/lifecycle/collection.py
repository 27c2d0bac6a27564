"""Which artifacts and logs may go, and making them go: what nothing refers to and nobody has used for long enough.

What a process makes, reads or waits for stays, whatever its age (`marco_dag.store.remove`).
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from marco_dag.lifecycle.config import RetentionConfig
from marco_dag.lifecycle.inventory import Stored, leftovers, size_of, take_inventory
from marco_dag.lifecycle.references import find_references
from marco_dag.registry import MlflowStore
from marco_dag.storage import Storage
from marco_dag.store import remove

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Kept:
    """An artifact, and whether it may go."""

    stored: Stored
    """The artifact."""
    references: tuple[str, ...]
    """What refers to it, in words."""
    until: float | None
    """From when on it may go, in seconds of the epoch; None: not as long as it is referred to or being made."""

    def may_go(self, now: float) -> bool:
        """Whether its time is over."""
        return self.until is not None and self.until <= now


@dataclass(slots=True)
class Collected:
    """What a collection removed, or would remove."""

    artifacts: list[Stored] = field(default_factory=list)
    """Artifacts, finished and not."""
    files: list[tuple[Path, int]] = field(default_factory=list)
    """Logs, and folders whose removal had been cut off, with their sizes in bytes."""
    spared: list[Stored] = field(default_factory=list)
    """Artifacts that a process uses, or has used in this very moment."""

    @property
    def bytes(self) -> int:
        """What all of it took."""
        return sum(stored.bytes for stored in self.artifacts) + sum(size for _, size in self.files)


def look_through(storage: Storage, mlflow: MlflowStore, retention: RetentionConfig) -> list[Kept]:
    """Every artifact, what refers to it and until when it is kept.

    Errors as `find_references`: where it is not known what is needed, nothing may go.
    """
    inventory = take_inventory(storage)
    return judge(inventory, find_references(storage, mlflow, inventory), retention)


def judge(
    inventory: Iterable[Stored], references: Mapping[str, Sequence[str]], retention: RetentionConfig
) -> list[Kept]:
    """What becomes of each artifact of an inventory."""
    return [
        Kept(stored, tuple(references.get(stored.id, ())), _until(stored, references, retention))
        for stored in inventory
    ]


def collect(
    storage: Storage, mlflow: MlflowStore, retention: RetentionConfig, *, dry_run: bool, now: float | None = None
) -> Collected:
    """Remove every artifact and log whose time is over; with `dry_run` only say which.

    `now` is in seconds of the epoch, by default the clock's. Errors as `look_through`, before anything is removed.
    """
    moment = time.time() if now is None else now
    over = [kept.stored for kept in look_through(storage, mlflow, retention) if kept.may_go(moment)]
    files = [(path, size_of(path)) for path in (*_old_logs(storage, retention, moment), *leftovers(storage))]
    collected = Collected()
    for stored in over:
        gone = dry_run or remove(stored.path, unused_since=moment - _retention_s(stored, retention))
        (collected.artifacts if gone else collected.spared).append(stored)
    for path, size in files:
        if not dry_run:
            _drop(path)
        collected.files.append((path, size))
    return collected


def _until(stored: Stored, references: Mapping[str, Sequence[str]], retention: RetentionConfig) -> float | None:
    if stored.state == "being made" or (stored.state == "finished" and stored.id in references):
        return None
    return stored.used_at + _retention_s(stored, retention)


def _retention_s(stored: Stored, retention: RetentionConfig) -> float:
    days = retention.artifacts_days if stored.state == "finished" else retention.unfinished_days
    return days * _DAY_S


def _old_logs(storage: Storage, retention: RetentionConfig, now: float) -> Iterator[Path]:
    for file in sorted(storage.engine_logs.glob("*.log")):
        if file.stat().st_mtime <= now - retention.logs_days * _DAY_S:
            yield file


def _drop(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
