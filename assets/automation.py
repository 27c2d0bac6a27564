"""What runs by itself once it is turned on in the web UI: a sensor for new seeds files, a schedule that trains again.

Everything after the SFT checkpoint follows by the assets' own conditions (`assets._conditions`).
"""

from collections.abc import Iterator
from typing import cast

import dagster as dg

from assets.checkpoints import TRAINED_ON
from assets.partitions import BATCH_ASSETS, SEED_BATCHES
from marco_dag.seeds import SeedBatches
from resources.profile import chosen_profile
from resources.storage import StorageResource

_COT_SET = dg.AssetKey("balanced_cot")
_SFT = dg.AssetKey("sft_checkpoint")
_ASKED = ("held_out_questions", "benchmark_questions", "benchmark_quarantine")
"""What checkpoints are scored on: no seed may hold any of it."""

search_batch = dg.define_asset_job(
    "search_batch",
    selection=dg.AssetSelection.assets("base_models", *_ASKED, "watched_questions", *BATCH_ASSETS),
    description="From the questions of one batch to its training sets; models that are there already are reused.",
)

train_again = dg.define_asset_job(
    "train_again",
    selection=dg.AssetSelection.assets("sft_checkpoint"),
    description="SFT on the CoT sets of all batches.",
)


@dg.sensor(
    job=search_batch,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Takes in new seeds files, registers each as a partition and searches it.",
)
def new_seed_files(context: dg.SensorEvaluationContext, home: StorageResource) -> dg.SensorResult | dg.SkipReason:
    """One run for every batch that has no training sets yet; each batch is asked for once.

    Sources of the profile are among them once `seed_batches` has taken them in: a tick fetches nothing.
    """
    profile = chosen_profile()
    known = SeedBatches(profile.seeds, home.storage, seed=profile.seed)
    scan = known.inbox.scan()
    for skipped in (*scan.waiting, *scan.ignored):
        context.log.info(f"{skipped.file}: {skipped.reason}")
    done = context.instance.get_materialized_partitions(dg.AssetKey("preference_pairs"))
    batches = known.table()["batch"].to_list()
    fresh = [batch for batch in batches if batch not in done]
    if not fresh:
        return dg.SkipReason(f"no new seeds file; {len(scan.waiting)} still being written")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=batch, partition_key=batch) for batch in fresh],
        dynamic_partitions_requests=[SEED_BATCHES.build_add_request(fresh)],
    )


@dg.schedule(
    job=train_again,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Trains SFT again when there are chains that the last checkpoint has not seen.",
)
def retrain_on_new_chains(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run where any batch's CoT set is not the one that the last SFT checkpoint was trained on."""
    new = new_rows(context.instance)
    if not new:
        return dg.SkipReason("the last SFT checkpoint was trained on every chain there is")
    return dg.RunRequest(tags={"marco/new_rows": str(sum(new.values()))})


def new_rows(instance: dg.DagsterInstance) -> dict[str, int]:
    """For each batch whose CoT set the last SFT checkpoint was not trained on: its rows."""
    last = instance.get_latest_materialization_event(_SFT)
    made = last.asset_materialization if last else None
    seen = cast("dict[str, dict[str, object]]", made.metadata[TRAINED_ON].value if made else {})
    return {
        batch: rows
        for batch, rows, version in _cot_sets(instance)
        if rows and seen.get(batch, {}).get("data_version") != version
    }


def _cot_sets(instance: dg.DagsterInstance) -> Iterator[tuple[str, int, str | None]]:
    """The newest CoT set of each batch: (batch, rows, data version)."""
    for batch in sorted(instance.get_materialized_partitions(_COT_SET)):
        filter_ = dg.AssetRecordsFilter(asset_key=_COT_SET, asset_partitions=[batch])
        [record] = instance.fetch_materializations(filter_, limit=1).records
        made = record.asset_materialization
        assert made is not None
        rows = made.metadata["dagster/row_count"].value
        version = (made.tags or {}).get("dagster/data_version")
        yield batch, int(str(rows)), version
