"""The MLflow store: where it is, and a client of it. Knows neither runs nor models.

Everything goes through clients made here; MLflow's global tracking address is never set, and its telemetry is off.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock

from marco_dag.storage import Storage

if TYPE_CHECKING:
    from mlflow import MlflowClient

TRACKING_VARIABLE = "MARCO_MLFLOW_URI"
"""Environment variable with the address of an MLflow server; without it, runs go into a file below the storage root."""

_DATABASE = "mlflow.db"


@dataclass(frozen=True, slots=True)
class MlflowStore:
    """An MLflow server or store, or the embedded one below a storage root."""

    folder: Path
    """The folder of the embedded store; locks lie there in any case."""
    address: str = ""
    """Address of a server or store of somebody else's; empty takes the embedded one."""

    @classmethod
    def of(cls, storage: Storage) -> "MlflowStore":
        """The store that `MARCO_MLFLOW_URI` names, else the embedded one."""
        return cls(storage.mlflow, os.environ.get(TRACKING_VARIABLE, ""))

    @property
    def uri(self) -> str:
        """The address in use: give it to `mlflow ui --backend-store-uri`."""
        return self.address or f"sqlite:///{self.folder / _DATABASE}"

    @property
    def exists(self) -> bool:
        """False where the embedded store is meant and nothing was ever tracked."""
        return bool(self.address) or (self.folder / _DATABASE).exists()

    def client(self) -> "MlflowClient":
        """A client of the store, which is set up first where it is new; safe from many processes at once."""
        return _open(self)

    def lock(self) -> FileLock:
        """For what must be looked up and changed by one process at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "mlflow.lock")


@lru_cache(maxsize=8)
def _open(store: MlflowStore) -> "MlflowClient":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow import MlflowClient

    # The first opening of a sqlite store creates its tables; processes that do so at the same time kill each other.
    with store.lock():
        client: Any = MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)
    return cast("MlflowClient", client)
