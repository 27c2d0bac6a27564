"""Alerts, as a real daemon has them sent: the sensor is turned on, runs fail, and the webhook hears of each once."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from marco_dag.seeds import GENERATED
from tests.assets.conftest import TINY, House, open_house
from tests.assets.running_dagster import RunningDagster, wait_for, write_instance
from tests.test_alerts import hooked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SENSOR = "alert_on_failure"
TURN_ON = """mutation ($selector: SensorSelector!) { startSensor(sensorSelector: $selector) {
  __typename ... on Sensor { sensorState { id status } } ... on PythonError { message } } }"""
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    write_instance(tmp_path / "dagster", runs=2)
    with open_house(tmp_path, dg.DagsterInstance.from_config(str(tmp_path / "dagster"))) as house:
        house.drop("more.jsonl", [])
        assert house.run("seed_batches").success
        yield house


def test_the_webhook_hears_once_of_each_run_that_fails_and_no_failed_step_is_tried_again(house):
    instance = house.instance
    first, last = instance.get_dynamic_partitions("seed_batches")
    with (
        hooked() as hook,
        RunningDagster(
            house.storage.root, {"MARCO_PROFILE": str(TINY), "MARCO_ALERT_WEBHOOK": hook.address}
        ) as dagster,
    ):
        ui = dagster.ui
        turned_on = ui.ask(TURN_ON, selector=ui.repository() | {"sensorName": SENSOR})["startSensor"]
        assert turned_on["__typename"] == "Sensor", turned_on
        [state] = [state for state in instance.all_instigator_state() if state.name == SENSOR]

        def ticks() -> int:
            told = instance.get_ticks(state.instigator_origin_id, state.selector_id)
            return sum(tick.status is not dg._core.scheduler.instigation.TickStatus.STARTED for tick in told)

        wait_for(ticks, 60, "the sensor has ticked: it tells of what fails from then on")
        # What they stand on was not made.
        one = ui.launch("seed_prompts", "seed_quarantine", "seed_overlaps", tags={"dagster/partition": GENERATED})
        both = ui.launch(
            "seed_prompts", "seed_quarantine", "seed_overlaps", tags=dict(zip(RANGE, (first, last), strict=True))
        )
        wait_for(lambda: {ui.status(one), ui.status(both)} == {"FAILURE"}, 120, "both runs have failed")
        wait_for(lambda: len(hook.bodies) >= 2, 90, "the webhook has heard of both")
        seen = ticks()
        wait_for(lambda: ticks() >= seen + 2, 120, "the sensor has ticked again")
    told = {body["run_id"]: body for body in hook.bodies}
    assert len(hook.bodies) == len(told) == 2
    assert told[one]["partition"] == GENERATED
    assert told[both]["partition"] == f"{first} to {last}"
    assert {body["steps"][0] for body in hook.bodies} == {"seed_questions"}
    assert told[one]["assets"] == [
        f"{table}/{GENERATED}" for table in ("seed_overlaps", "seed_prompts", "seed_quarantine")
    ]
    assert "was not materialized yet" in told[one]["error"]
    assert {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))} == {
        one,
        both,
    }
    assert instance.get_runs_count() == 3  # with that of `seed_batches`
