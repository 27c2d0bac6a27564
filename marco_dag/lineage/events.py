"""The lineage log: one small file a materialization, written once and then left alone.

No locks and no server: a file is written beside its place and renamed into it, so any number of processes and
machines that share the storage root can append, and a reader sees whole events only. What the events mean together is
said by the views (`marco_dag.lineage.views`).
"""

import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from marco_dag.errors import LineageError
from marco_dag.identity import content_id
from marco_dag.storage import Storage, escape_segment, partition_stem

Place: TypeAlias = tuple[str, str | None]
"""An asset key and a partition of it; None for an asset without partitions."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Materialization:
    """One version of an asset (or of one partition of it) coming into being: a row of the table `artifacts`."""

    asset_key: str
    """The asset's name, slashes between its parts."""
    partition: str | None
    """Its partition; None when the asset has none."""
    run_id: str
    """The Dagster run that made it."""
    code_version: str | None
    """The asset's code version, as declared."""
    data_version: str
    """What identifies the content: equal versions, equal content. For a checkpoint, the digest of its weights."""
    rows: int | None
    """Rows written; None where that means nothing (a checkpoint)."""
    path: str | None
    """Where the content lies, relative to the storage root."""
    mlflow_run_id: str | None = None
    """The MLflow run of the step; None if it was not tracked."""
    stored: str | None = None
    """The artifact of the store that holds the content, or that it was read from; None if there is none."""
    reused: bool = False
    """Whether the content was there already and no work was done."""
    inputs: tuple[str, ...] = ()
    """The artifact ids it was made from."""
    created_at: datetime = field(default_factory=_now)
    """When, with a time zone."""

    @property
    def artifact_id(self) -> str:
        """Its id: the same asset, partition, content and run give the same one."""
        return content_id("artifact", self.asset_key, self.partition, self.data_version, self.run_id)


class LineageLog:
    """The events below one storage root; safe for any number of writers and readers."""

    def __init__(self, storage: Storage) -> None:
        self._folder = storage.events

    def append(self, materialization: Materialization) -> str:
        """Record a materialization durably and return its artifact id; a step that is retried replaces its event."""
        event = {
            "artifact_id": materialization.artifact_id,
            **asdict(materialization),
            "created_at": materialization.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        }
        name = f"{_place(materialization.asset_key, materialization.partition)}@{materialization.artifact_id}.json"
        write_event(self._folder / name, event)
        return materialization.artifact_id

    def latest(self, asset_key: str, partition: str | None = None) -> Materialization | None:
        """The newest materialization of an asset (None: of an asset without partitions), or None if there is none."""
        return self.latest_of([(asset_key, partition)]).get((asset_key, partition))

    def latest_of(
        self, places: Iterable[Place], among: Callable[[Materialization], bool] = lambda _: True
    ) -> dict[Place, Materialization]:
        """The newest materialization of each place that has one; only those that `among` accepts count."""
        wanted = {_place(*place): place for place in places}
        newest: dict[Place, Materialization] = {}
        for file in self._files():
            place = wanted.get(file.name.rpartition("@")[0])
            if place is None:
                continue
            found = _read(file)
            if among(found):
                newest[place] = max(found, newest.get(place, found), key=_age)
        return newest

    def all(self) -> list[Materialization]:
        """Every materialization, oldest first."""
        return sorted(map(_read, self._files()), key=_age)

    def _files(self) -> Iterator[Path]:
        return self._folder.glob("*.json")


def write_event(file: Path, event: Mapping[str, object]) -> None:
    """Write one line of JSON durably: readers see the whole file or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not *.json, so that no glob of a reader meets a half-written event.
    temporary = file.parent / f"{uuid.uuid4().hex}.tmp"
    try:
        with temporary.open("w", encoding="utf-8") as opened:
            opened.write(json.dumps(event, ensure_ascii=False) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def latest_events(events: Iterable[Materialization]) -> list[Materialization]:
    """The newest of each asset and partition, oldest first."""
    return list({(event.asset_key, event.partition): event for event in sorted(events, key=_age)}.values())


_FIELDS = tuple(f.name for f in fields(Materialization))
_ADDED_LATER = {"stored": None}


def _place(asset_key: str, partition: str | None) -> str:
    """The start of an event's file name; holds no `@` but the one."""
    return f"{escape_segment(asset_key)}@{partition_stem(partition)}"


def _age(materialization: Materialization) -> tuple[datetime, str]:
    return materialization.created_at, materialization.artifact_id


def _read(file: Path) -> Materialization:
    try:
        event = {**_ADDED_LATER, **json.loads(file.read_text(encoding="utf-8"))}
        values = {name: event[name] for name in _FIELDS}
        values["inputs"] = tuple(values["inputs"])
        values["created_at"] = datetime.fromisoformat(values["created_at"])
        return Materialization(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise LineageError(f"{file}: not a lineage event ({error}); move it out of the folder") from error
