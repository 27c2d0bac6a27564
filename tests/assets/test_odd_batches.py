"""Batches with nothing in them, batches that nobody can solve, and runs that ask for what cannot be."""

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ready(house):
    """The house with what every batch needs."""
    questions = ("held_out_questions", "benchmark_questions", "benchmark_quarantine")
    assert house.run("seed_batches", *questions, "base_models").success
    return house


def take_in(house, name: str, rows: list) -> str:
    """Drop a file and materialize `seed_batches`; returns the new batch."""
    house.drop(name, rows)
    assert house.run("seed_batches").success
    stem = name.removesuffix(".jsonl")
    [batch] = [key for key in house.instance.get_dynamic_partitions("seed_batches") if key.startswith(f"{stem}-")]
    return batch


def failed_check(result) -> tuple[str, str]:
    [check] = [c for c in result.get_asset_check_evaluations() if not c.passed]
    return check.check_name, check.description


def failure(result) -> str:
    [event] = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data.description


def test_a_batch_whose_every_row_is_bad_gives_empty_tables_and_no_failure(ready):
    batch = take_in(ready, "rubbish.jsonl", ["not json", "{}"])
    assert ready.search_batch(batch).success
    for table in ("seed_prompts", "trees", "thoughts", "chains", "cot_set", "preference_pairs"):
        assert ready.table(table, batch).is_empty()
    assert ready.table("seed_quarantine", batch).height == 2


def test_a_batch_that_nobody_can_solve_fails_its_check_and_is_not_trained_on(ready):
    impossible = [
        {"prompt": f"Guess my number, try {n}", "task": "arithmetic", "reference": {"answer": 10**12 + n}}
        for n in range(6)
    ]
    batch = take_in(ready, "impossible.jsonl", impossible)
    result = ready.search_batch(batch)
    assert not result.success
    name, description = failed_check(result)
    assert name == "some_correct_chain"
    assert "none of" in description
    assert "stopped because" in description
    assert not ready.storage.table_file("cot_set", batch).exists()


def test_training_on_no_chains_at_all_is_refused_with_the_reason(ready):
    batch = take_in(ready, "nothing.jsonl", ["{}"])
    assert ready.search_batch(batch).success
    assert "the CoT set is empty" in failure(ready.run("sft_checkpoint"))


def test_scores_of_a_checkpoint_that_was_never_trained_say_so(ready):
    result = ready.run("benchmark_scores", partition="joint")
    assert not result.success
    [event] = [event for event in result.all_events if event.is_step_failure]
    assert "sft_checkpoint was not materialized yet" in str(event.step_failure_data.error)


def test_a_wrong_field_in_a_run_s_changes_is_named_and_not_tried_again(ready):
    result = ready.run("held_out_questions", changes={"seeds": {"held_out_per_tusk": 3}})
    message = failure(result)
    assert "seeds.held_out_per_tusk" in message
    assert "fields here: " in message
    assert not any(event.is_step_up_for_retry for event in result.all_events)


def test_a_run_s_changes_take_effect_and_are_forgotten_after_it(ready):
    assert ready.run("held_out_questions", changes={"seeds": {"held_out_per_task": 3}}).success
    assert ready.table("held_out_questions").height == 3 * len(ready.profile.seeds.tasks)
    assert ready.run("held_out_questions").success
    assert ready.table("held_out_questions").height == 8 * len(ready.profile.seeds.tasks)


def test_a_batch_key_that_no_file_stands_behind_is_refused(ready):
    ready.instance.add_dynamic_partitions("seed_batches", ["ghost"])
    assert "no seeds file was taken in as batch 'ghost'" in failure(
        ready.run("seed_prompts", "seed_quarantine", "seed_overlaps", partition="ghost")
    )
