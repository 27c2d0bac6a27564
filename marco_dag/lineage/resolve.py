"""Which materializations a name or a path stands for. Knows nothing of what is in the tables."""

import json
import os
from collections.abc import Collection
from pathlib import Path

from marco_dag.lineage.events import Materialization, latest_events
from marco_dag.storage import Storage


def resolve(what: str, events: Collection[Materialization], storage: Storage) -> list[Materialization]:
    """The newest materialization of each partition that `what` stands for; empty where it stands for nothing.

    Tried in this order: artifact id, asset key, asset/partition, data version, stored artifact, path.
    """
    by_name = (
        [event for event in events if event.artifact_id == what]
        or latest_events([event for event in events if event.asset_key == what])
        or latest_events([event for event in events if f"{event.asset_key}/{event.partition}" == what])
        or latest_events([event for event in events if what in (event.data_version, event.stored)])[-1:]
    )
    return by_name or _by_path(what, events, storage)


def _by_path(what: str, events: Collection[Materialization], storage: Storage) -> list[Materialization]:
    path = _below_root(what, storage)
    if path is None:
        return []
    holding = (
        [event for event in events if event.path and _same_or_below(path, event.path)]
        or [event for event in events if {event.stored, event.data_version} & set(path.split("/"))]
        or [event for event in events if any(_same_or_below(path, place) for place in _models(event, storage))]
    )
    return latest_events(holding)


def _below_root(what: str, storage: Storage) -> str | None:
    """A path as lineage writes it, relative to the storage root; None if it lies elsewhere."""
    for candidate in (Path(what), storage.root / what):
        for spelling in (candidate, Path(os.path.realpath(candidate))):
            try:
                relative = storage.relative(spelling)
            except ValueError:
                continue
            if relative != ".":
                return relative
    return None


def _same_or_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _models(event: Materialization, storage: Storage) -> list[str]:
    """The folders of the models that an event's path, a manifest, names today; each with the artifact it is part of."""
    if event.path is None or not event.path.startswith("manifests/"):
        return []
    try:
        models = json.loads((storage.root / event.path).read_text(encoding="utf-8"))
        folders = [str(model["location"]) for model in models.values() if model["stored"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [place for folder in folders for place in (folder, str(Path(folder).parent))]
