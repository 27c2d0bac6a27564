"""What refers to which artifact: manifests, what was materialized last, what scores were made from, aliases.

An artifact that is named here is needed; why, is said in words.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from marco_dag.lifecycle.inventory import Stored
from marco_dag.lineage import LineageLog, Materialization, latest_events
from marco_dag.lineage.producers import PRODUCERS
from marco_dag.manifests import read_manifest
from marco_dag.registry import MlflowStore, ModelRegistry
from marco_dag.storage import Storage


def find_references(storage: Storage, mlflow: MlflowStore, inventory: Iterable[Stored]) -> dict[str, list[str]]:
    """Artifact id → what refers to it, in words; those that nothing refers to are left out.

    The parts of an artifact that is referred to are, too. An error means that this is not known: StorageError for an
    unreadable manifest, LineageError for an unreadable event, RegistryError where MLflow cannot be asked.
    """
    references: defaultdict[str, list[str]] = defaultdict(list)
    for artifact, why in (*_by_manifests(storage), *_by_events(storage), *_by_aliases(mlflow)):
        references[artifact].append(why)
    parts = {stored.id: stored.parts for stored in inventory}
    waiting = [*references]
    while waiting:
        whole = waiting.pop()
        for part in parts.get(whole, ()):
            if part not in references:
                waiting.append(part)
            references[part].append(f"part of {whole}")
    return dict(references)


def _by_manifests(storage: Storage) -> Iterator[tuple[str, str]]:
    for file in sorted((storage.root / "manifests").glob("*/*.json")):
        for role, model in read_manifest(file).items():
            if model.artifact is not None:
                yield model.artifact, f"{storage.relative(file)} ({role})"


def _by_events(storage: Storage) -> Iterator[tuple[str, str]]:
    """What was materialized last; and what the scores that there are were made from, if it was replaced since."""
    events = LineageLog(storage).all()
    by_id = {event.artifact_id: event for event in events}
    for event in latest_events(events):
        yield from _stored(event, f"latest {_name(event)}")
        if event.asset_key == PRODUCERS["scores"]:
            for source in event.inputs:
                if source in by_id:
                    yield from _stored(by_id[source], f"scored: {event.partition}")


def _by_aliases(mlflow: MlflowStore) -> Iterator[tuple[str, str]]:
    for alias, version in ModelRegistry(mlflow).aliased():
        yield version.registration.artifact, f"{alias}: {version}"
        yield version.registration.scores, f"scores of {alias}: {version}"


def _stored(event: Materialization, why: str) -> Iterator[tuple[str, str]]:
    """The artifact behind an event; before events named it, the data version of some was its id."""
    yield event.stored or event.data_version, why


def _name(event: Materialization) -> str:
    return event.asset_key if event.partition is None else f"{event.asset_key}/{event.partition}"
