"""The I/O manager of models: assets hand over where a model's weights lie and what identifies them, never the weights.

What a manifest is, is `marco_dag.manifests`' business.
"""

import dagster as dg

from marco_dag.manifests import Model, Models, read_manifest, write_manifest
from marco_dag.storage import Storage
from resources.storage import StorageResource

__all__ = ["Model", "ModelManifests", "Models"]


class ModelManifests(dg.ConfigurableIOManager):
    """Keeps each asset's `Models`.

    An upstream asset with partitions is read as a dict partition → `Models`, of those wanted that were materialized;
    one without partitions as its `Models`.
    """

    home: dg.ResourceDependency[StorageResource]
    """Where the manifests lie."""

    def handle_output(self, context: dg.OutputContext, obj: Models) -> None:
        """Write the manifest."""
        partition = context.partition_key if context.has_asset_partitions else None
        write_manifest(self._storage.manifest_file(context.asset_key.to_user_string(), partition), obj)
        context.add_output_metadata({role: model.location for role, model in obj.items()})

    def load_input(self, context: dg.InputContext) -> Models | dict[str, Models]:
        """The upstream asset's manifest, or its partitions' manifests."""
        asset = context.asset_key.to_user_string()
        if not context.has_asset_partitions:
            file = self._storage.manifest_file(asset)
            if not file.exists():
                raise dg.Failure(f"{asset} was not materialized yet; do that first")
            return read_manifest(file)
        files = {key: self._storage.manifest_file(asset, key) for key in context.asset_partition_keys}
        return {key: read_manifest(file) for key, file in files.items() if file.exists()}

    @property
    def _storage(self) -> Storage:
        return self.home.storage
