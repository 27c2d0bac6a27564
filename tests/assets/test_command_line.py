"""What continuous integration types: `dagster asset materialize`, with a partition and a run's configuration."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from marco_dag.storage import Storage

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parent.parent.parent


def environment(home: Path) -> dict[str, str]:
    """A fresh user's: the tiny profile, everything below `home`, no DAGSTER_HOME."""
    kept = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return kept | {"MARCO_PROFILE": str(HOUSE / "tests/profiles/tiny.yaml"), "MARCO_HOME": str(home / "data")}


def materialize(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where a dagster.yaml like ours lies."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "marco_dag.definitions"]
    return subprocess.run([*command, *arguments], cwd=home, env=environment(home), capture_output=True, text=True)


def test_assets_are_materialized_from_the_command_line(tmp_path):
    shutil.copy(HOUSE / "dagster.yaml", tmp_path)
    storage = Storage(tmp_path / "data")

    questions = "held_out_questions,benchmark_questions,benchmark_quarantine"
    batches = materialize(tmp_path, "--select", f"seed_batches,{questions}")
    assert batches.returncode == 0, batches.stderr
    changes = {"resources": {"profile": {"config": {"changes": {"seeds": {"generated_per_task": 5}}}}}}
    seeds = "seed_prompts,seed_quarantine,seed_overlaps"
    made = materialize(tmp_path, "--select", seeds, "--partition", "generated", "--config-json", json.dumps(changes))
    assert made.returncode == 0, made.stderr
    assert pl.read_parquet(storage.table_file("seed_prompts", "generated")).height == 5 * 2
    assert (tmp_path / ".dagster" / "history").is_dir(), "Dagster's own state is not below .dagster/"

    unknown = materialize(tmp_path, "--select", seeds, "--partition", "nobody-dropped-this")
    assert unknown.returncode != 0
    assert "nobody-dropped-this" in unknown.stderr


def test_ctrl_c_ends_the_demo_at_once_in_the_middle_of_training(tmp_path):
    shutil.copy(HOUSE / "dagster.yaml", tmp_path)
    log = tmp_path / "log"
    # Shells start background jobs with Ctrl-C ignored, and so do some that run tests.
    start = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", start + "from assets.demo import main; sys.exit(main())"]
    with log.open("w") as output:
        demo = subprocess.Popen(
            command, cwd=tmp_path, env=environment(tmp_path), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while "train generator: " not in log.read_text() and demo.poll() is None:
            time.sleep(0.5)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=30) == 130, log.read_text()
    finally:
        demo.kill()
    assert "run it again to go on from here" in log.read_text()
    [partial] = (tmp_path / "data" / "artifacts" / "models").glob("*.partial")
    assert partial.is_dir()
