"""The I/O manager of models: assets hand over where a model's weights lie and what identifies them, never the weights.

A manifest is a small JSON file below the storage root, `manifests/<asset>/<partition or all>.json`. Weights in the
storage root are named relative to it, so that the root can be moved or mounted elsewhere.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import dagster as dg

from marco_dag.storage import Storage
from resources.storage import StorageResource


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

    def path(self, storage: Storage) -> str:
        """What engines, trainers and tokenizers load: a folder, or a name on the hub."""
        return str(storage.root / self.location) if self.stored else self.location


Models: TypeAlias = Mapping[str, Model]
"""Models by role: `generator`, `critic` and `student` of the base models, `student` of a checkpoint."""


class ModelManifests(dg.ConfigurableIOManager):
    """Keeps each asset's `Models`.

    An upstream asset with partitions is read as a dict partition → `Models`, of those wanted that were materialized;
    one without partitions as its `Models`.
    """

    home: dg.ResourceDependency[StorageResource]
    """Where the manifests lie."""

    def handle_output(self, context: dg.OutputContext, obj: Models) -> None:
        """Write the manifest; readers see the old one or the new one, never a part."""
        partition = context.partition_key if context.has_asset_partitions else None
        file = self._storage.manifest_file(context.asset_key.to_user_string(), partition)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f"{uuid.uuid4().hex}.tmp")
        try:
            temporary.write_text(json.dumps({role: asdict(model) for role, model in obj.items()}, indent=2))
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
        context.add_output_metadata({role: model.location for role, model in obj.items()})

    def load_input(self, context: dg.InputContext) -> Models | dict[str, Models]:
        """The upstream asset's manifest, or its partitions' manifests."""
        asset = context.asset_key.to_user_string()
        if not context.has_asset_partitions:
            file = self._storage.manifest_file(asset)
            if not file.exists():
                raise dg.Failure(f"{asset} was not materialized yet; do that first")
            return _read(file)
        files = {key: self._storage.manifest_file(asset, key) for key in context.asset_partition_keys}
        return {key: _read(file) for key, file in files.items() if file.exists()}

    @property
    def _storage(self) -> Storage:
        return self.home.storage


def _read(file: Path) -> Models:
    return {role: Model(**model) for role, model in json.loads(file.read_text()).items()}
