"""Pieces: work of a study that is stored by what decides it. Known by name before it is made, so that gaps show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from marco_dag.identity import JsonValue, content_id
from marco_dag.store import Artifact, ArtifactStore, is_finished


@dataclass(frozen=True, slots=True)
class Piece:
    """One artifact of a study, made or not."""

    store: ArtifactStore
    """Where it is kept."""
    kind: str
    """What it is."""
    key: Mapping[str, JsonValue]
    """All that decides it; the pieces that it stands on by their ids."""
    make: Callable[[Path], None]
    """Writes it into a folder, the pieces that it stands on first."""

    @property
    def id(self) -> str:
        """Its id in the store, made or not."""
        return content_id(self.kind, dict(self.key))

    @property
    def is_made(self) -> bool:
        """Whether it is there."""
        return is_finished(self.store.root / self.kind / self.id)

    def get(self) -> Artifact:
        """It, made where it is missing; a process that wants the same piece meanwhile waits for this one."""
        return self.store.get_or_make(self.kind, self.key, self.make)

    @property
    def path(self) -> Path:
        """Its folder; made where it is missing."""
        return self.get().path
