"""Manifests: which models an asset made, where their weights lie and what identifies them; never the weights.

A manifest is a small JSON file below the storage root, `manifests/<asset>/<partition or all>.json`. Weights in the
storage root are named relative to it, so that the root can be moved or mounted elsewhere.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from marco_dag.errors import StorageError
from marco_dag.storage import Storage


@dataclass(frozen=True, slots=True)
class Model:
    """One model: where, and which."""

    location: str
    """A folder relative to the storage root, or (`stored` false) any folder or a name on the hub."""
    digest: str
    """What identifies weights, configuration and tokenizer (`marco_dag.engines.checkpoint_digest`)."""
    stored: bool
    """Whether it lies below the storage root."""

    @classmethod
    def in_storage(cls, folder: Path, digest: str, storage: Storage) -> "Model":
        """The model in a folder below the storage root; ValueError if it lies elsewhere."""
        return cls(storage.relative(folder), digest, stored=True)

    @property
    def artifact(self) -> str | None:
        """The artifact of the store that it lies in; None where it lies elsewhere."""
        parts = Path(self.location).parts
        return parts[2] if self.stored and len(parts) > 2 and parts[0] == "artifacts" else None

    def path(self, storage: Storage) -> str:
        """What engines, trainers and tokenizers load: a folder, or a name on the hub."""
        return str(storage.root / self.location) if self.stored else self.location


Models: TypeAlias = Mapping[str, Model]
"""Models by role: `generator`, `critic` and `student` of the base models, `student` of a checkpoint."""


def read_manifest(file: Path) -> Models:
    """The models that a manifest names; StorageError where it is none, FileNotFoundError where there is no file."""
    try:
        return {str(role): Model(**model) for role, model in json.loads(file.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise StorageError(
            f"{file}: not a manifest of models ({error}); materialize {file.parent.name} anew"
        ) from error


def write_manifest(file: Path, models: Models) -> None:
    """Write `models`; readers see the old manifest or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_text(json.dumps({role: asdict(model) for role, model in models.items()}, indent=2))
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
