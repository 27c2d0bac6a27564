"""What every step opens first and closes last: the profile, the artifact store, one MLflow run, one lineage event.

An asset opens a step, calls the library, and yields `step.finish(...)`. Errors of the library end the step for good;
faults of the machine (a lost connection, a stale file handle) have it tried again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from marco_dag.errors import MarcoError, ProfileError
from marco_dag.identity import JsonValue
from marco_dag.profiles import Profile
from marco_dag.redaction import redact_error
from marco_dag.schemas import digest_frame
from marco_dag.storage import Storage
from marco_dag.store import Artifact, ArtifactStore
from resources.lineage import LineageResource
from resources.models import Models
from resources.profile import ProfileResource
from resources.storage import StorageResource
from resources.tables import file_partition, height_of
from resources.tracked_step import TrackedStep
from resources.tracking import MlflowTracking

_PERMANENT = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
"""Operating-system errors that come back however often one tries."""


@dataclass(frozen=True)
class Step:
    """An asset's step on its way."""

    context: dg.AssetExecutionContext
    profile: Profile
    storage: Storage
    run: TrackedStep
    """Its MLflow run."""
    _lineage: LineageResource

    def reuse_or_make(
        self, kind: str, key: Mapping[str, JsonValue], make: Callable[[Path], Sequence[str] | None]
    ) -> Artifact:
        """The stored artifact of `kind` for `key`, made where there is none; the log says which it was.

        `make` as `ArtifactStore.get_or_make` has it.
        """
        self.run.log_params(key)
        artifact = ArtifactStore(self.storage.artifacts).get_or_make(kind, key, make)
        what = "reused, had cost" if artifact.reused else "made in"
        self.context.log.info(f"{artifact.id}: {what} {artifact.seconds:.1f} s")
        return artifact

    def finish(
        self,
        value: pl.DataFrame | pl.LazyFrame | Models | Path,
        *,
        data_version: str | None = None,
        output: str | None = None,
        artifact: Artifact | None = None,
        metadata: Mapping[str, Any] | None = None,
        checks: Sequence[dg.AssetCheckResult] = (),
    ) -> dg.MaterializeResult[Any]:
        """Record the lineage of `value`: a table, models, or a file that the step wrote; returns what to yield.

        `data_version` identifies the content; a frame's is a digest of its rows where none is given. `output` names the
        asset where the step makes several.
        """
        key = dg.AssetKey(output) if output else self.context.asset_key
        rows = height_of(value) if isinstance(value, pl.DataFrame | pl.LazyFrame) else None
        if data_version is None:
            assert isinstance(value, pl.DataFrame)
            data_version = digest_frame(value)
        self._lineage.record(
            self.context,
            output=key,
            data_version=data_version,
            rows=rows,
            path=self._path(key, value),
            mlflow_run_id=self.run.run_id,
            stored=artifact.id if artifact else None,
            reused=artifact is not None and artifact.reused,
        )
        told: dict[str, Any] = {"mlflow_run": self.run.run_id, **(metadata or {})}
        if artifact is not None:
            told |= {"artifact": artifact.id, "reused": artifact.reused, "seconds": artifact.seconds}
        stored: dict[str, Any] = {} if isinstance(value, Path) else {"value": value}
        return dg.MaterializeResult(
            asset_key=key,
            data_version=dg.DataVersion(data_version),
            metadata=told,
            check_results=[check._replace(asset_key=key) for check in checks],
            **stored,
        )

    def _path(self, key: dg.AssetKey, value: pl.DataFrame | pl.LazyFrame | Models | Path) -> str:
        if isinstance(value, Path):
            return self.storage.relative(value)
        partition = file_partition(self.context.partition_key) if self.context.has_partition_key else None
        if isinstance(value, pl.DataFrame | pl.LazyFrame):
            table = self.context.assets_def.specs_by_key[key].metadata.get("table", key.path[-1])
            return self.storage.relative(self.storage.table_file(str(table), partition))
        return self.storage.relative(self.storage.manifest_file(key.to_user_string(), partition))


class Steps(dg.ConfigurableResource["Steps"]):
    """Opens steps."""

    home: dg.ResourceDependency[StorageResource]
    """Where everything is kept."""
    profile: dg.ResourceDependency[ProfileResource]
    """What models and how much work."""
    lineage: dg.ResourceDependency[LineageResource]
    """Where materializations are recorded."""
    tracking: dg.ResourceDependency[MlflowTracking]
    """Where parameters and metrics are logged."""
    retries: int = 2
    """How often a step is tried again after a fault of the machine, ≥ 0."""
    retry_seconds: float = 10.0
    """Wait before the first of these tries, doubled for each after it, in seconds."""

    @contextmanager
    def open(self, context: dg.AssetExecutionContext) -> Iterator[Step]:
        """A step for the length of the `with` block.

        dg.Failure where the library refuses or the code is wrong; other errors of the operating system and the network
        make Dagster try the step again. An interrupt passes through: a terminated run ends.
        """
        try:
            with self.tracking.step_run(context) as run:
                yield Step(context, self.profile.profile, self.home.storage, run, self.lineage)
        except MarcoError as error:
            raise dg.Failure(self._told(error)) from error
        except dg.Failure:
            raise
        except OSError as error:
            message = self._told(error)
            if isinstance(error, _PERMANENT):
                raise dg.Failure(message) from error
            # Not a retry policy of the asset: Dagster would apply that to a run that somebody terminates, too.
            wait = self.retry_seconds * 2**context.op_execution_context.retry_number
            raise dg.RetryRequested(max_retries=self.retries, seconds_to_wait=wait) from error
        except Exception as error:
            raise dg.Failure(f"{type(error).__name__}: {self._told(error)}") from error

    def _told(self, error: Exception) -> str:
        """What an error says, secrets replaced: in what led to it too, since Dagster records that as well."""
        try:
            variables = self.profile.profile.key_variables
        except ProfileError:  # the very error that is told
            variables = frozenset()
        redact_error(error, variables)
        return str(error)
