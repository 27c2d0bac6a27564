"""A seeds file is dropped: the sensor makes it a partition and asks for its run; the schedule trains on what is new."""

import json

import dagster as dg
import pytest

pytestmark = pytest.mark.slow


def letters(*words: str) -> list[dict]:
    """Questions on letters; some belong to the held-out share and are quarantined."""
    return [
        {"prompt": f"How many {letter} in {word}?", "task": "letters", "reference": {"word": word, "letter": letter}}
        for word in words
        for letter in sorted(set(word))
    ]


def tick(house) -> dg.SensorResult | dg.SkipReason:
    """One evaluation of the sensor, with the partitions it asks for added, as the daemon does."""
    context = dg.build_sensor_context(
        instance=house.instance, definitions=house.defs, resources={"home": house.defs.resources["home"]}
    )
    result = house.defs.resolve_sensor_def("new_seed_files")(context)
    if isinstance(result, dg.SensorResult):
        for request in result.dynamic_partitions_requests:
            house.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    return result


def due(house) -> dg.RunRequest | dg.SkipReason:
    """One evaluation of the schedule."""
    context = dg.build_schedule_context(instance=house.instance)
    return house.defs.resolve_schedule_def("retrain_on_new_chains")(context)


def conditions(house, cursor=None) -> dg.EvaluateAutomationConditionsResult:
    """One tick of the automation sensor."""
    follow = dg.AssetSelection.assets("dpo_checkpoint", "benchmark_scores", "distillation_report")
    return dg.evaluate_automation_conditions(house.defs, instance=house.instance, asset_selection=follow, cursor=cursor)


@pytest.fixture(scope="module")
def first_batch(house_on_disk):
    """The house with the generated batch and one file's batch searched, through the sensor; and the file's batch."""
    house = house_on_disk
    house.drop("words.jsonl", letters("banana", "melon", "pumpkin"))
    result = tick(house)
    for request in result.run_requests:
        assert house.search_batch(request.partition_key).success
    [batch] = [r.partition_key for r in result.run_requests if r.partition_key != "generated"]
    return house, batch, result


def test_a_new_file_becomes_a_partition_and_a_run(first_batch):
    house, batch, result = first_batch
    assert batch.startswith("words-")
    assert {(request.run_key, request.partition_key) for request in result.run_requests} == {
        ("generated", "generated"),
        (batch, batch),
    }
    assert set(house.instance.get_dynamic_partitions("seed_batches")) == {"generated", batch}


def test_the_requested_run_takes_the_file_all_the_way_to_training_sets(first_batch):
    house, batch, _ = first_batch
    assert set(house.table("seed_prompts", batch)["source"]) == {"words.jsonl"}
    assert set(house.table("trees", batch)["batch"]) == {batch}
    assert house.table("cot_set", batch).height > 0
    assert house.table("seed_prompts", batch).height + house.table("seed_quarantine", batch).height == len(
        letters("banana", "melon", "pumpkin")
    )


def test_the_same_content_under_another_name_asks_for_nothing(first_batch):
    house, _, _ = first_batch
    house.drop("same-words.jsonl", letters("banana", "melon", "pumpkin"))
    assert isinstance(tick(house), dg.SkipReason)


def test_a_batch_that_failed_is_asked_for_under_the_same_run_key_so_that_it_runs_once(first_batch):
    house, _, _ = first_batch
    house.drop("more.jsonl", letters("cherry", "apricot", "lemon", "grape"))
    keys = [[request.run_key for request in tick(house).run_requests] for _ in range(2)]
    assert keys[0] == keys[1] != []
    assert house.search_batch(keys[0][0]).success


def test_the_schedule_trains_when_there_are_chains_that_sft_has_not_seen(first_batch):
    house, _, _ = first_batch
    request = due(house)
    assert isinstance(request, dg.RunRequest)
    assert int(request.tags["marco/new_rows"]) > 0
    train = house.defs.resolve_job_def("train_again")
    assert train.execute_in_process(instance=house.instance).success
    assert isinstance(due(house), dg.SkipReason)


def test_recipes_scores_and_report_follow_a_new_sft_checkpoint_by_themselves(first_batch):
    house, _, _ = first_batch
    cursor = conditions(house).cursor
    assert house.defs.resolve_job_def("train_again").execute_in_process(instance=house.instance).success
    asked: list[tuple[str, str | None]] = []
    for _ in range(8):
        result = conditions(house, cursor)
        cursor = result.cursor
        for asset, partitions in (
            ("dpo_checkpoint", house.profile.recipes),
            ("benchmark_scores", house.profile.checkpoints),
            ("distillation_report", [None]),
        ):
            for partition in partitions:
                key = dg.AssetKey(asset)
                wanted = (
                    result.get_num_requested(key)
                    if partition is None
                    else partition in result.get_requested_partitions(key)
                )
                if wanted:
                    asked.append((asset, partition))
                    assert house.run(asset, partition=partition).success
    assert {partition for asset, partition in asked if asset == "dpo_checkpoint"} == set(house.profile.recipes)
    assert {partition for asset, partition in asked if asset == "benchmark_scores"} == set(house.profile.checkpoints)
    assert asked[-1] == ("distillation_report", None)
    assert (house.storage.reports / "tiny" / "report.html").exists()


def test_preference_pairs_alone_start_no_training(first_batch):
    house, batch, _ = first_batch
    cursor = conditions(house).cursor
    assert house.run("preference_pairs", partition=batch).success
    result = conditions(house, cursor)
    assert result.get_num_requested(dg.AssetKey("dpo_checkpoint")) == 0


def test_the_quarantine_says_what_was_left_out_and_the_asset_says_how_much(house_on_disk):
    house = house_on_disk
    good = letters("walnut")
    rows = [*good, '{"prompt": ', {"prompt": "x", "task": "poetry", "reference": {}}]
    house.drop("broken.jsonl", rows)
    requests = tick(house).run_requests
    [batch] = [request.partition_key for request in requests if request.partition_key.startswith("broken-")]
    assert house.run("seed_prompts", "seed_quarantine", "seed_overlaps", partition=batch).success
    bad = house.table("seed_quarantine", batch)
    faults = bad.filter(line=len(good) + 1).rows(named=True) + bad.filter(line=len(good) + 2).rows(named=True)
    assert [(fault["file"], fault["field"]) for fault in faults] == [("broken.jsonl", None), ("broken.jsonl", "task")]
    records = dg.AssetRecordsFilter(asset_key=dg.AssetKey("seed_prompts"), asset_partitions=[batch])
    [record] = house.instance.fetch_materializations(records, limit=1).records
    assert record.asset_materialization.metadata["quarantined"].value == bad.height
    assert json.loads(house.table("seed_prompts", batch)["reference"][0])["word"] == "walnut"
