"""The code location under the tiny profile, over a storage root and a Dagster instance of its own."""

import importlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from marco_dag.profiles import Profile
from marco_dag.storage import Storage
from resources.profile import chosen_profile

NO_LOG_FILES = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
TINY = Path(__file__).parent.parent / "profiles" / "tiny.yaml"


@dataclass
class House:
    """A code location with its storage and its instance."""

    defs: dg.Definitions
    storage: Storage
    profile: Profile
    instance: dg.DagsterInstance

    def run(
        self, *assets: str, partition: str | None = None, changes: dict[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialize `assets` in one run, with `changes` to the profile."""
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            partition_key=partition,
            instance=self.instance,
            raise_on_error=False,
            run_config={"resources": {"profile": {"config": {"changes": changes or {}}}}},
        )

    def search_batch(self, batch: str) -> dg.ExecuteInProcessResult:
        """From the questions of one batch to its training sets, as the sensor asks for it."""
        job = self.defs.resolve_job_def("search_batch")
        return job.execute_in_process(partition_key=batch, instance=self.instance, raise_on_error=False)

    def table(self, table: str, partition: str | None = None) -> pl.DataFrame:
        return pl.read_parquet(self.storage.table_file(table, partition))

    def drop(self, name: str, rows: Sequence[dict[str, Any] | str]) -> Path:
        """Put a seeds file into the inbox, as if a minute ago."""
        file = self.storage.seeds / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        os.utime(file, (time.time() - 60,) * 2)
        return file


@contextmanager
def open_house(root: Path, instance: dg.DagsterInstance) -> Iterator[House]:
    """Loads the assets anew, because their partitions follow the profile; leaves no trace of it for other tests."""
    with pytest.MonkeyPatch.context() as patch, instance:
        patch.setenv("MARCO_PROFILE", str(TINY))
        patch.setenv("MARCO_HOME", str(root))
        _forget_assets()
        yield House(importlib.import_module("marco_dag.definitions").defs, Storage(root), chosen_profile(), instance)
    _forget_assets()


def _forget_assets() -> None:
    chosen_profile.cache_clear()
    for name in [*sys.modules]:
        if name.split(".")[0] == "assets" or name == "marco_dag.definitions":
            del sys.modules[name]


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A storage root whose base models are trained."""
    root = tmp_path_factory.mktemp("trained")
    with open_house(root, dg.DagsterInstance.ephemeral()) as house:
        assert house.run("base_models").success
    return root


@pytest.fixture(scope="module")
def house(trained, tmp_path_factory) -> Iterator[House]:
    """A house for the tests of one file, with the trained models in its store and nothing materialized."""
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(trained / "artifacts", root / "artifacts")
    with open_house(root, dg.DagsterInstance.ephemeral()) as house:
        yield house


@pytest.fixture(scope="module")
def house_on_disk(trained, tmp_path_factory) -> Iterator[House]:
    """The same with an instance on disk, slower: a schedule's tick opens the instance by reference."""
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(trained / "artifacts", root / "artifacts")
    (root / "dagster").mkdir()
    instance = dg.DagsterInstance.local_temp(str(root / "dagster"), overrides=NO_LOG_FILES)
    with open_house(root, instance) as house:
        yield house
