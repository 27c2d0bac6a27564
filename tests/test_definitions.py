"""The code location: complete, documented, guarded, and off by default."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from marco_dag.definitions import defs

HOUSE = Path(__file__).parent.parent
SPECS = {spec.key.to_user_string(): spec for spec in sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key)}


def test_the_assets_of_the_paper_s_pipeline_are_there():
    assert set(SPECS) == {
        "seed_batches",
        "seed_prompts",
        "seed_quarantine",
        "seed_overlaps",
        "seed_difficulty",
        "held_out_questions",
        "watched_questions",
        "benchmark_questions",
        "benchmark_quarantine",
        "base_models",
        "mcts_trees",
        "thoughts",
        "strategy_comparison",
        "chains",
        "balanced_cot",
        "preference_pairs",
        "sft_checkpoint",
        "dpo_checkpoint",
        "benchmark_scores",
        "mcts_decoding",
        "study_answers",
        "study_decoding",
        "study_findings",
        "distillation_report",
    }


@pytest.mark.parametrize("name", SPECS)
def test_every_asset_says_what_it_is_and_whose(name):
    spec = SPECS[name]
    assert spec.group_name in {"seeds", "models", "search", "curation", "training", "evaluation", "study", "report"}
    assert 1 <= len(spec.kinds) <= 3
    assert spec.owners == ["team:marco"]
    assert spec.code_version
    assert spec.description
    assert spec.description.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", SPECS)
def test_every_table_is_guarded_by_a_blocking_schema_check(name):
    keys = defs.resolve_asset_graph().get_check_keys_for_assets({dg.AssetKey(name)})
    if name in ("base_models", "sft_checkpoint", "dpo_checkpoint", "distillation_report"):
        assert keys == set()
    else:
        assert dg.AssetCheckKey(dg.AssetKey(name), "schema") in keys
    for key in keys:
        assert defs.resolve_asset_graph().get_check_spec(key).blocking


def test_steps_that_run_a_model_ask_for_a_gpu_once_for_every_deployment():
    needy = {"base_models", "seed_difficulty", "mcts_trees", "sft_checkpoint", "dpo_checkpoint", "benchmark_scores"}
    needy |= {"thoughts", "strategy_comparison", "mcts_decoding", "study_answers", "study_decoding"}
    for name in SPECS:
        definition = defs.resolve_assets_def(name)
        asks = "dagster-ray/config" in definition.op.tags
        assert asks == (name in needy), name
        assert (definition.op.pool == "gpu") == asks
        if asks:
            # On Ray the search only hands out shards, and each of its workers reserves what others do.
            reserved = 0 if name in ("mcts_trees", "thoughts") else 1
            on_ray = json.loads(definition.op.tags["dagster-ray/config"])
            assert on_ray == {"num_gpus": reserved, "num_cpus": reserved}
            limits = json.loads(definition.op.tags["dagster-k8s/config"])["container_config"]["resources"]["limits"]
            assert limits == {"nvidia.com/gpu": "1"}


def load(**environment: str) -> "subprocess.CompletedProcess[str]":
    """The code location in a process of its own."""
    code = (
        "import json; from marco_dag.definitions import defs; "
        "tags = defs.resolve_assets_def('sft_checkpoint').op.tags; "
        "pod = json.loads(tags['dagster-k8s/config']); "
        "print(defs.executor.name, tags['dagster-ray/config'], pod['container_config']['resources'].get('limits'), "
        "type(defs.resources['searches']).__name__)"
    )
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=HOUSE, env=os.environ | environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("deployment", "executor", "searches"),
    [
        ("laptop", "in_process", "Searches"),
        ("ray", "ray", "ClusterSearches"),
        ("kubernetes", "k8s", "Searches"),
    ],
)
def test_one_variable_chooses_executor_and_resources(deployment, executor, searches):
    loaded = load(MARCO_DEPLOYMENT=deployment, MARCO_GPUS="2", MARCO_CORES="8")
    expected = f"""{executor} {{"num_gpus": 2, "num_cpus": 8}} {{'nvidia.com/gpu': '2'}} {searches}"""
    assert loaded.stdout.strip() == expected, loaded.stderr


def test_where_there_are_no_gpus_nobody_asks_for_one():
    loaded = load(MARCO_GPUS="0")
    assert loaded.stdout.strip() == 'in_process {"num_gpus": 0, "num_cpus": 1} None Searches', loaded.stderr


@pytest.mark.parametrize(("variable", "value"), [("MARCO_GPUS", "-1"), ("MARCO_GPUS", "all"), ("MARCO_CORES", "0")])
def test_an_impossible_reservation_is_refused(variable, value):
    assert f"{variable}: must be a whole number of at least" in load(**{variable: value}).stderr


def test_automation_is_off_until_somebody_turns_it_on():
    assert defs.resolve_sensor_def("new_seed_files").default_status == dg.DefaultSensorStatus.STOPPED
    assert defs.resolve_sensor_def("alert_on_failure").default_status == dg.DefaultSensorStatus.STOPPED
    assert defs.resolve_schedule_def("retrain_on_new_chains").default_status == dg.DefaultScheduleStatus.STOPPED


def test_an_unknown_deployment_is_refused_with_the_known_ones():
    code = "import os; from resources.deployments import chosen_deployment; chosen_deployment()"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=HOUSE,
        env=os.environ | {"MARCO_DEPLOYMENT": "moon"},
        capture_output=True,
        text=True,
    )
    assert "MARCO_DEPLOYMENT: no deployment 'moon'; known: laptop, ray, kubernetes" in result.stderr
