"""MLflow as a resource: one MLflow run a step, below one parent run for each Dagster run.

Where the store is and how it is opened is `marco_dag.registry.mlflow_store`'s business.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from marco_dag.registry import MlflowStore
from resources.storage import StorageResource
from resources.tracked_step import TrackedStep

if TYPE_CHECKING:
    from mlflow import MlflowClient

_RUN_TAG = "dagster.run_id"
_ASSET_TAG = "dagster.asset"
_PARTITION_TAG = "dagster.partition"
_LEVEL_TAG = "marco.level"
_PARENT_TAG = "mlflow.parentRunId"


class MlflowTracking(dg.ConfigurableResource["MlflowTracking"]):
    """Where runs are tracked."""

    home: dg.ResourceDependency[StorageResource]
    """The storage root; the embedded store lies below it."""
    tracking_uri: str = Field(default="")
    """Address of an MLflow server or store; empty takes a sqlite file below the storage root."""
    experiment: str = Field(default="marco-dag")
    """Name of the MLflow experiment."""

    @property
    def uri(self) -> str:
        """The tracking address in use: give it to `mlflow ui --backend-store-uri`."""
        return self._store.uri

    @contextmanager
    def step_run(self, context: dg.AssetExecutionContext) -> Iterator[TrackedStep]:
        """An MLflow run for the length of the `with` block: FINISHED after it, FAILED (or KILLED) if it raises."""
        client = self.client()
        experiment_id = self._experiment_id(client)
        parent = self._parent_run(client, experiment_id, context.run.run_id)
        assets = ", ".join(sorted(key.to_user_string() for key in context.selected_asset_keys))
        partition = context.partition_key if context.has_partition_key else None
        run = client.create_run(
            experiment_id,
            run_name=f"{assets} [{partition}]" if partition else assets,
            tags={
                _PARENT_TAG: parent,
                _LEVEL_TAG: "step",
                _RUN_TAG: context.run.run_id,
                _ASSET_TAG: assets,
                **({_PARTITION_TAG: partition} if partition else {}),
            },
        )
        status = "KILLED"
        try:
            yield TrackedStep(self._store, experiment_id, run.info.run_id)
            status = "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            client.set_terminated(run.info.run_id, status)
            _settle(client, experiment_id, parent)

    def client(self) -> "MlflowClient":
        """A client of the store, which is set up first where it is new; safe from many processes at once."""
        return self._store.client()

    @property
    def _store(self) -> MlflowStore:
        return MlflowStore(self.home.storage.mlflow, self.tracking_uri)

    def _experiment_id(self, client: "MlflowClient") -> str:
        with self._store.lock():
            found = client.get_experiment_by_name(self.experiment)
            if found is not None:
                return str(found.experiment_id)
            # A server of somebody else's keeps artifacts where it wants to.
            location = None if self.tracking_uri else (self._store.folder / "artifacts").as_uri()
            return str(client.create_experiment(self.experiment, artifact_location=location))

    def _parent_run(self, client: "MlflowClient", experiment_id: str, dagster_run_id: str) -> str:
        tags = {_LEVEL_TAG: "run", _RUN_TAG: dagster_run_id}
        with self._store.lock():
            found = client.search_runs([experiment_id], _filter(tags), max_results=1)
            if found:
                client.update_run(found[0].info.run_id, status="RUNNING")
                return str(found[0].info.run_id)
            return str(client.create_run(experiment_id, run_name=f"run {dagster_run_id[:8]}", tags=tags).info.run_id)


def _settle(client: "MlflowClient", experiment_id: str, parent: str) -> None:
    """Close the parent run once none of its steps runs any more; the last try of each step decides how it ended."""
    steps = client.search_runs([experiment_id], _filter({_PARENT_TAG: parent}), order_by=["attributes.start_time ASC"])
    last = {(run.data.tags[_ASSET_TAG], run.data.tags.get(_PARTITION_TAG)): run.info.status for run in steps}
    if "RUNNING" not in last.values():
        client.set_terminated(parent, "FINISHED" if set(last.values()) == {"FINISHED"} else "FAILED")


def _filter(tags: dict[str, str]) -> str:
    return " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
