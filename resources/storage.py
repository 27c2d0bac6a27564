"""The storage root as a resource: the one place that everything else is below."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from marco_dag.storage import Storage


class StorageResource(dg.ConfigurableResource["StorageResource"]):
    """Where everything is kept."""

    root: str = Field(default_factory=lambda: str(Storage.from_environment().root))
    """The storage root; by default what `MARCO_HOME` names, else `data` below the current directory."""

    @property
    def storage(self) -> Storage:
        """The places below the root."""
        return Storage(Path(self.root))
