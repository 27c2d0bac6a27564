"""Everything, from one command: `python -m assets.demo` materializes every asset and ends with the results.

Goes through Dagster, run by run in this process, so that the web UI shows afterwards what happened. The profile is
`MARCO_PROFILE`'s, the data lie below `MARCO_HOME`, Dagster's own state where `DAGSTER_HOME` says (default: here).
"""

import logging
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from dagster._core.instance.ref import InstanceRef
from rich.console import Console

if TYPE_CHECKING:
    from marco_dag.profiles import Profile
    from marco_dag.storage import Storage

_INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


class Demo:
    """Materializes assets run by run and says of each what it cost, or that it was reused."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, console: Console) -> None:
        self._job = definitions.resolve_implicit_global_asset_job_def()
        self._instance = instance
        self._console = console
        self.failures: list[str] = []
        """What went wrong, one line a run."""

    def materialize(self, assets: Sequence[str], partition: str | None = None) -> bool:
        """Run `assets` (of one partition); False where a step or a blocking check failed, which is noted and told.

        KeyboardInterrupt after Ctrl-C, which Dagster takes for a failure of the step.
        """
        where = "" if partition is None else f" [{partition}]"
        result = self._job.execute_in_process(
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            partition_key=partition,
            instance=self._instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        reused = _reused(result)
        for event in result.all_events:
            if event.is_step_success and event.step_key:
                seconds = event.step_success_data.duration_ms / 1000
                made = f"reused (had cost {reused[event.step_key]:.1f} s)" if event.step_key in reused else "made"
                self._console.print(
                    f"  {event.step_key + where:<44}{seconds:>7.1f} s  {made}", markup=False, highlight=False
                )
        if _interrupted(result):
            raise KeyboardInterrupt
        if not result.success:
            self.failures.append(f"{', '.join(assets)}{where}: {_why(result)}")
            self._console.print(f"  failed: {self.failures[-1]}", style="red", markup=False, highlight=False)
        return result.success

    def materialize_everything(self, profile: "Profile", storage: "Storage") -> bool:
        """Every asset in order; False where nothing that follows could be made. A failed partition leaves a gap."""
        from assets.partitions import BATCH_ASSETS

        questions = ["held_out_questions", "benchmark_questions", "benchmark_quarantine"]
        if not self.materialize(["seed_batches", *questions, "watched_questions", "base_models"]):
            return False
        batches = pl.read_parquet(storage.table_file("seed_batches"))["batch"]
        searched = [self.materialize(BATCH_ASSETS, batch) for batch in batches]
        if not any(searched) or not self.materialize(["sft_checkpoint"]):
            return False
        for recipe in profile.recipes:
            self.materialize(["dpo_checkpoint"], recipe)
        for checkpoint in profile.checkpoints:
            self.materialize(["benchmark_scores"], checkpoint)
        return self.materialize(["distillation_report"])


def main() -> int:
    """Materialize everything; the exit status is 1 where anything failed, 130 after Ctrl-C."""
    _quieten()
    from marco_dag.definitions import defs
    from marco_dag.storage import Storage
    from resources.profile import chosen_profile

    profile, storage = chosen_profile(), Storage.from_environment()
    console = Console(soft_wrap=True)
    console.print(f"profile {profile.name}, data below {storage.root}", highlight=False)
    start = time.perf_counter()
    with _instance() as instance:
        demo = Demo(defs, instance, console)
        try:
            finished = demo.materialize_everything(profile, storage)
        except KeyboardInterrupt:
            console.print("stopped; run it again to go on from here", style="red")
            return _INTERRUPTED
    if finished:
        _show_results(console, profile, storage)
    console.print(f"{time.perf_counter() - start:.0f} s in all", highlight=False)
    for failure in demo.failures:
        console.print(f"failed: {failure}", style="red", markup=False, highlight=False)
    return 1 if demo.failures else 0


def _reused(result: dg.ExecuteInProcessResult) -> dict[str, float]:
    """Step → what it had cost, for the steps whose costly part was found in the store."""
    found: dict[str, float] = {}
    for event in result.all_events:
        if event.is_step_materialization and event.step_key:
            metadata = event.step_materialization_data.materialization.metadata
            if "reused" in metadata and metadata["reused"].value:
                found[event.step_key] = float(str(metadata["seconds"].value))
    return found


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return any(error is not None and error.cls_name == "DagsterExecutionInterruptedError" for error in errors)


def _why(result: dg.ExecuteInProcessResult) -> str:
    """The first reason why a run failed: a check's own words, or a step's."""
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
            return f"check {evaluation.check_name}: {evaluation.description}"
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            error = data.error.cause if data.error and data.error.cause else data.error
            return data.user_failure_data.description or "" if data.user_failure_data else str(error and error.message)
    return "see the run in the web UI"


def _show_results(console: Console, profile: "Profile", storage: "Storage") -> None:
    from marco_dag.evaluation import summarize
    from marco_dag.report import REPORT_FILE, benchmarks_table, describe_checkpoints, results_table

    files = [storage.table_file("scores", checkpoint) for checkpoint in profile.checkpoints]
    scores = pl.concat([pl.read_parquet(file) for file in files if file.exists()])
    summary, descriptions = summarize(scores, profile.evaluation.confidence), describe_checkpoints(profile)
    console.print(results_table(summary, descriptions))
    if (benchmarks := benchmarks_table(summary, descriptions)) is not None:
        console.print(benchmarks)
    console.print(f"report: {storage.report_folder(profile.name) / REPORT_FILE}", highlight=False)


def _instance() -> dg.DagsterInstance:
    """The instance of `DAGSTER_HOME`, with the steps' output left on this terminal.

    Dagster would send it to files, through helper processes, and a progress bar would meet no terminal.
    """
    home = os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    module = "dagster._core.storage.noop_compute_log_manager"
    overrides = {"compute_logs": {"module": module, "class": "NoOpComputeLogManager"}}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(home, overrides=overrides))


def _quieten() -> None:
    """Leave the terminal to the progress bars."""
    for name in ("alembic", "mlflow", "dagster", "py.warnings", "httpx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


if __name__ == "__main__":
    sys.exit(main())
