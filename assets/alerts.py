"""Telling people that a run failed: a sensor that posts to their webhook, once it is turned on in the web UI."""

from collections.abc import Mapping, Sequence

import dagster as dg

from marco_dag.alerts import WEBHOOK_VARIABLE, Alert, post, webhook
from marco_dag.errors import AlertError


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.STOPPED,
    minimum_interval_seconds=30,
    description=f"Posts every failed run to the webhook that {WEBHOOK_VARIABLE} names.",
)
def alert_on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """One message a failed run; a webhook that takes none is said in the log of the tick, and holds up nothing."""
    try:
        address = webhook()
        if address is None:
            return dg.SkipReason(f"{WEBHOOK_VARIABLE} is not set, so nobody is told")
        post(_alert(context), address)
    except AlertError as error:
        context.log.error(str(error))
    return None


def _alert(context: dg.RunFailureSensorContext) -> Alert:
    run, failures = context.dagster_run, context.get_step_failure_events()
    told = [event.step_failure_data.error_display_string for event in failures]
    steps = [str(event.step_key) for event in failures]
    return Alert(
        run_id=run.run_id,
        job=", ".join(sorted(key.to_user_string() for key in run.asset_selection or ())) or run.job_name,
        partition=run.tags.get("dagster/partition") or _range(run.tags),
        steps=steps,
        assets=_planned(context, steps),
        error="\n".join(told) or context.failure_event.message or "",
    )


def _range(tags: Mapping[str, str]) -> str | None:
    """The partitions of a run that makes several at once, as the web UI launches it on request."""
    bounds = [tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end")]
    return f"{bounds[0]} to {bounds[1]}" if all(bounds) else None


def _planned(context: dg.RunFailureSensorContext, steps: Sequence[str]) -> list[str]:
    """What `steps` were to make."""
    planned = context.instance.all_logs(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    )
    names = []
    for event in (entry.dagster_event for entry in planned):
        if event is not None and event.step_key in steps:
            made = event.asset_materialization_planned_data
            key = made.asset_key.to_user_string()
            names.append(f"{key}/{made.partition}" if made.partition else key)
    return sorted(names)
