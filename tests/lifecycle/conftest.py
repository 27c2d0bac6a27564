"""A storage root whose artifacts can be made, aged and referred to one by one."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from marco_dag.lineage import LineageLog, Materialization
from marco_dag.manifests import Model, write_manifest
from marco_dag.registry import MlflowStore
from marco_dag.storage import Storage
from marco_dag.store import MANIFEST, ArtifactStore

DAY = 86_400.0


@dataclass
class Stock:
    """Makes what a pipeline would."""

    storage: Storage

    @property
    def mlflow(self) -> MlflowStore:
        return MlflowStore(self.storage.mlflow)

    def make(self, kind: str, name: str, *, days: float = 0, parts: Sequence[str] = (), size: int = 100) -> Path:
        """An artifact that was last used `days` ago."""

        def write(folder: Path) -> Sequence[str]:
            (folder / "model").mkdir()
            (folder / "model" / "model.safetensors").write_bytes(b"0" * size)
            return parts

        made = ArtifactStore(self.storage.artifacts).get_or_make(kind, {"name": name}, write).path
        self.age(made / MANIFEST, days)
        return made

    def leave_unfinished(self, kind: str, name: str, *, days: float = 0) -> Path:
        """What a maker that broke off leaves, last written to `days` ago."""

        def fail(folder: Path) -> None:
            (folder / "state").write_bytes(b"0" * 10)
            raise InterruptedError

        with pytest.raises(InterruptedError):
            ArtifactStore(self.storage.artifacts).get_or_make(kind, {"name": name}, fail)
        [partial] = (self.storage.artifacts / kind).glob("*.partial")
        self.age(partial / "state", days)
        self.age(partial, days)
        return partial

    def age(self, path: Path, days: float) -> None:
        then = time.time() - days * DAY
        os.utime(path, (then, then))

    def name_in_manifest(self, asset: str, partition: str | None, artifact: Path) -> Path:
        file = self.storage.manifest_file(asset, partition)
        write_manifest(file, {"student": Model.in_storage(artifact / "model", "digest", self.storage)})
        return file

    def record(
        self, asset: str, partition: str | None, artifact: Path | None, inputs: Sequence[str] = (), version: str = "v"
    ) -> str:
        """A lineage event; returns its id."""
        return LineageLog(self.storage).append(
            Materialization(
                asset_key=asset,
                partition=partition,
                run_id=f"run of {version}",
                code_version="1",
                data_version=version,
                rows=None,
                path=None,
                stored=artifact.name if artifact else None,
                inputs=tuple(inputs),
            )
        )


@pytest.fixture
def stock(tmp_path) -> Stock:
    return Stock(Storage(tmp_path / "data"))


@pytest.fixture
def put_away(stock) -> Callable[..., Path]:
    """Makes an artifact that is old enough to go."""
    return lambda kind, name, **more: stock.make(kind, name, days=99, **more)
