"""MLflow tracking against a real sqlite store, inside real Dagster runs."""

import json
import subprocess
import sys

import dagster as dg
import polars as pl
import pytest

from marco_dag.redaction import REDACTED, redact
from resources.storage import StorageResource
from resources.tracking import MlflowTracking

RECIPES = dg.StaticPartitionsDefinition(["plain", "full"])


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A store that was opened once; each test tracks in an experiment of its own."""
    root = tmp_path_factory.mktemp("tracking")
    return StorageResource(root=str(root))


@pytest.fixture
def tracking(store, request):
    return MlflowTracking(home=store, experiment=request.node.name)


def run(tracking, asset, partition=None, raise_on_error=True):
    return dg.materialize(
        [asset], partition_key=partition, resources={"tracking": tracking}, raise_on_error=raise_on_error
    )


def runs_of(tracking):
    """The experiment's runs, by level: the parent first."""
    client = tracking.client()
    experiment = client.get_experiment_by_name(tracking.experiment)
    found = client.search_runs([experiment.experiment_id])
    return sorted(found, key=lambda r: (r.data.tags["marco.level"], r.info.run_name))


def test_a_step_is_a_run_below_the_dagster_runs_own(tracking):
    @dg.asset(partitions_def=RECIPES)
    def checkpoint(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> str:
        with tracking.step_run(context) as step:
            step.log_params({"sft": {"learning_rate": 0.001, "lora": None, "tasks": ["a", "b"]}, "seed": 3})
            step.log_metrics({"accuracy": 0.5, "unknown": None})
            return step.run_id

    result = run(tracking, checkpoint, "full")
    parent, step = runs_of(tracking)
    assert step.info.run_id == result.output_for_node("checkpoint")
    assert step.info.run_name == "checkpoint [full]"
    assert step.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert {r.data.tags["dagster.run_id"] for r in (parent, step)} == {result.run_id}
    assert (step.data.tags["dagster.asset"], step.data.tags["dagster.partition"]) == ("checkpoint", "full")
    assert step.data.params == {
        "sft.learning_rate": "0.001",
        "sft.lora": "null",
        "sft.tasks": '["a", "b"]',
        "seed": "3",
    }
    assert step.data.metrics == {"accuracy": 0.5}
    assert {parent.info.status, step.info.status} == {"FINISHED"}


def test_steps_of_one_dagster_run_share_a_parent_and_one_failure_is_its_own(tracking):
    @dg.asset
    def first(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> None:
        with tracking.step_run(context):
            pass

    @dg.asset(deps=[first])
    def second(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> None:
        with tracking.step_run(context):
            raise ValueError("no")

    dg.materialize([first, second], resources={"tracking": tracking}, raise_on_error=False)
    parent, one, two = runs_of(tracking)
    assert {one.data.tags["mlflow.parentRunId"], two.data.tags["mlflow.parentRunId"]} == {parent.info.run_id}
    assert [r.info.status for r in (parent, one, two)] == ["FAILED", "FINISHED", "FAILED"]


def test_a_step_that_succeeds_when_retried_leaves_a_finished_parent(tracking):
    tries = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def flaky(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> None:
        with tracking.step_run(context):
            tries.append(1)
            if len(tries) == 1:
                raise ValueError("once")

    assert run(tracking, flaky).success
    parent, *steps = runs_of(tracking)
    assert sorted(step.info.status for step in steps) == ["FAILED", "FINISHED"]
    assert parent.info.status == "FINISHED"


def test_a_step_that_is_interrupted_is_killed_not_failed(tracking):
    @dg.asset
    def interrupted(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> None:
        with tracking.step_run(context):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tracking, interrupted)
    assert runs_of(tracking)[1].info.status == "KILLED"


def test_a_curve_keeps_every_step_of_every_column_and_leaves_nulls_out(tracking):
    curve = pl.DataFrame({"step": range(1500), "loss": [1.0 / (i + 1) for i in range(1500)], "name": "x"})
    curve = curve.with_columns(margin=pl.when(pl.col("step") % 2 == 0).then(pl.col("loss")))

    @dg.asset
    def trained(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> str:
        with tracking.step_run(context) as step:
            step.log_curve(curve)
            return step.run_id

    run_id = run(tracking, trained).output_for_node("trained")
    loss = tracking.client().get_metric_history(run_id, "loss")
    assert [(m.step, m.value) for m in loss] == list(curve.select("step", "loss").iter_rows())
    assert len(tracking.client().get_metric_history(run_id, "margin")) == 750
    assert set(tracking.client().get_run(run_id).data.metrics) == {"loss", "margin"}


def test_tables_and_checkpoints_are_inputs_and_outputs_and_the_weights_are_not_copied(tracking, tmp_path):
    checkpoint = tmp_path / "sft-1"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"0" * 1_000_000)

    @dg.asset
    def trained(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> dict[str, str]:
        with tracking.step_run(context) as step:
            step.log_table_input("cot_set", data_version="d" * 64, path="tables/cot_set/all.parquet", rows=12)
            model = step.log_checkpoint("sft", checkpoint, params={"sft": {"epochs": 3}}, metrics={"loss": 0.25})
            return {"run": step.run_id, "model": model}

    ids = run(tracking, trained).output_for_node("trained")
    client = tracking.client()
    tracked = client.get_run(ids["run"])
    (table,) = tracked.inputs.dataset_inputs
    assert (table.dataset.name, table.dataset.digest) == ("cot_set", "d" * 36)
    assert json.loads(table.dataset.profile) == {"num_rows": 12}
    assert [output.model_id for output in tracked.outputs.model_outputs] == [ids["model"]]

    (model,) = client.search_logged_models([tracked.info.experiment_id])
    assert (model.model_id, model.name, model.status.value) == (ids["model"], "sft", "READY")
    assert (model.source_run_id, model.params, model.tags["path"]) == (ids["run"], {"sft.epochs": "3"}, str(checkpoint))
    assert [(metric.key, metric.value) for metric in model.metrics] == [("loss", 0.25)]
    stored = [p for p in tracking.home.storage.mlflow.rglob("*") if p.is_file() and "artifacts" in p.parts]
    assert sum(p.stat().st_size for p in stored) < 10_000

    client.create_registered_model("student")
    # Not by model id: the registry would look that up in MLflow's global store, which is none of ours.
    assert client.create_model_version("student", model.artifact_location, ids["run"]).version == 1


def test_files_and_figures_become_artifacts(tracking, tmp_path):
    from matplotlib.figure import Figure

    sample = tmp_path / "sample.txt"
    sample.write_text("a chain")

    @dg.asset
    def report(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> str:
        with tracking.step_run(context) as step:
            step.log_artifact(sample, "samples")
            step.log_figure(Figure(), "lengths.png")
            return step.run_id

    run_id = run(tracking, report).output_for_node("report")
    client = tracking.client()
    assert {a.path for a in client.list_artifacts(run_id)} == {"samples", "lengths.png"}
    assert [a.path for a in client.list_artifacts(run_id, "samples")] == ["samples/sample.txt"]


def test_a_planted_secret_is_nowhere_in_the_store(tracking, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "planted-secret-1")
    params = {
        "generator": {"api_key": "planted-secret-2", "url": "https://user:planted-secret-3@host/v1"},
        "command": "serve --key planted-secret-1",
        "max_tokens": 12,
    }

    @dg.asset
    def leaky(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> str:
        with tracking.step_run(context) as step:
            step.log_params(params)
            step.log_checkpoint("model", tracking.home.storage.artifacts, params=params, metrics={})
            return step.run_id

    run_id = run(tracking, leaky).output_for_node("leaky")
    files = [p for p in tracking.home.storage.mlflow.rglob("*") if p.is_file()]
    assert not [p for p in files if b"planted-secret" in p.read_bytes()]
    assert tracking.client().get_run(run_id).data.params == {
        "generator.api_key": REDACTED,
        "generator.url": f"https://{REDACTED}@host/v1",
        "command": f"serve --key {REDACTED}",
        "max_tokens": "12",
    }


def test_names_that_only_look_like_secrets_are_kept():
    plain = {"max_tokens": "3", "tokens_per_step": "4", "author": "me", "tokenizer": "x"}
    assert redact(plain, {"HOME": "/root", "KEY": "3"}) == plain


_OPEN_AND_RUN = """
import sys
import dagster as dg
from resources.storage import StorageResource
from resources.tracking import MlflowTracking

@dg.asset
def step(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> None:
    with tracking.step_run(context) as tracked:
        tracked.log_metrics({"x": 1.0})

sys.stdin.readline()
tracking = MlflowTracking(home=StorageResource(root=sys.argv[1]))
sys.exit(not dg.materialize([step], resources={"tracking": tracking}).success)
"""


@pytest.mark.slow
def test_processes_that_open_a_fresh_store_at_once_all_succeed(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN_AND_RUN, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    tracking = MlflowTracking(home=StorageResource(root=str(tmp_path)))
    assert [r.info.status for r in runs_of(tracking)] == ["FINISHED"] * 4
