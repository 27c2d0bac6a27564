"""Recording lineage from inside a step: what was made, and from which versions of which upstream partitions."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from marco_dag.lineage import LineageLog, Materialization, Place, ensure_database
from resources.storage import StorageResource


class LineageResource(dg.ConfigurableResource["LineageResource"]):
    """Appends one event a materialization to the lineage log below the storage root."""

    home: dg.ResourceDependency[StorageResource]
    """Where the events lie."""

    def record(
        self,
        context: dg.AssetExecutionContext,
        *,
        data_version: str,
        rows: int | None,
        path: str | None,
        output: dg.AssetKey | None = None,
        mlflow_run_id: str | None = None,
        stored: str | None = None,
        reused: bool = False,
    ) -> str:
        """Record that the step made `output` (default: its only asset) and return the artifact id.

        The inputs are the versions of the asset's upstream partitions, as Dagster maps them to this step, that were the
        newest when the step started; what was never recorded (external data) is left out. `path` is relative to the
        storage root, `stored` the id of the artifact that holds the content. Of a multi-asset, record an output before
        those that are made from it.
        """
        storage = self.home.storage
        log = LineageLog(storage)
        key = output or context.asset_key
        artifact_id = log.append(
            Materialization(
                asset_key=key.to_user_string(),
                partition=own_partition(context, key),
                run_id=context.run.run_id,
                code_version=context.assets_def.specs_by_key[key].code_version,
                data_version=data_version,
                rows=rows,
                path=path,
                mlflow_run_id=mlflow_run_id,
                stored=stored,
                reused=reused,
                inputs=_inputs(context, key, log),
            )
        )
        ensure_database(storage)
        return artifact_id


def own_partition(context: dg.AssetExecutionContext, key: dg.AssetKey) -> str | None:
    """The partition of the asset `key` that this step makes; None where the asset has none."""
    return context.partition_key if context.assets_def.specs_by_key[key].partitions_def else None


def upstream_partitions(context: dg.AssetExecutionContext, key: dg.AssetKey) -> list[Place]:
    """The (asset, partition) pairs outside this step that `key` is made from; partition None where there are none."""
    return [
        (upstream.to_user_string(), partition)
        for name, upstream in context.assets_def.keys_by_input_name.items()
        if upstream in context.assets_def.asset_deps[key]
        for partition in _partitions_for_input(context, name)
    ]


def _inputs(context: dg.AssetExecutionContext, key: dg.AssetKey, log: LineageLog) -> tuple[str, ...]:
    start, run_id = _step_start(context), context.run.run_id
    # Upstream steps of this run are over, whatever the clocks of other machines say.
    found = log.latest_of(
        upstream_partitions(context, key),
        among=lambda upstream: upstream.run_id == run_id or start is None or upstream.created_at <= start,
    )
    # A multi-asset's own outputs are no inputs of its step, yet one may be made from another.
    siblings = context.assets_def.asset_deps[key] & context.assets_def.keys
    found |= log.latest_of((sibling.to_user_string(), own_partition(context, sibling)) for sibling in siblings)
    return tuple(sorted(input_.artifact_id for input_ in found.values()))


def _partitions_for_input(context: dg.AssetExecutionContext, name: str) -> Sequence[str | None]:
    try:
        context.asset_partitions_def_for_input(name)
    except dg.DagsterInvariantViolationError:  # Dagster's way of saying that the upstream has no partitions
        return [None]
    return list(context.asset_partition_keys_for_input(name))


def _step_start(context: dg.AssetExecutionContext) -> datetime | None:
    step = context.op_execution_context.get_step_execution_context().step.key
    (stats,) = context.instance.get_run_step_stats(context.run.run_id, [step])
    return datetime.fromtimestamp(stats.start_time, UTC) if stats.start_time else None
