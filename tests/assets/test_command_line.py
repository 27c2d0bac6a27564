"""What continuous integration types: `dagster asset materialize`, with a partition and a run's configuration."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from marco_dag.storage import Storage

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parent.parent.parent


def materialize(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where a dagster.yaml like ours lies, without DAGSTER_HOME."""
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment |= {"MARCO_PROFILE": str(HOUSE / "tests/profiles/tiny.yaml"), "MARCO_HOME": str(home / "data")}
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "marco_dag.definitions"]
    return subprocess.run([*command, *arguments], cwd=home, env=environment, capture_output=True, text=True)


def test_assets_are_materialized_from_the_command_line(tmp_path):
    shutil.copy(HOUSE / "dagster.yaml", tmp_path)
    storage = Storage(tmp_path / "data")

    batches = materialize(tmp_path, "--select", "seed_batches")
    assert batches.returncode == 0, batches.stderr
    changes = {"resources": {"profile": {"config": {"changes": {"seeds": {"generated_per_task": 5}}}}}}
    questions = ["--select", "seed_prompts,seed_quarantine", "--partition", "generated"]
    made = materialize(tmp_path, *questions, "--config-json", json.dumps(changes))
    assert made.returncode == 0, made.stderr
    assert pl.read_parquet(storage.table_file("seed_prompts", "generated")).height == 5 * 2
    assert (tmp_path / ".dagster" / "history").is_dir(), "Dagster's own state is not below .dagster/"

    unknown = materialize(tmp_path, "--select", "seed_prompts,seed_quarantine", "--partition", "nobody-dropped-this")
    assert unknown.returncode != 0
    assert "nobody-dropped-this" in unknown.stderr
