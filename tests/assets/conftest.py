"""The code location under the tiny profile, over a storage root and a Dagster instance of its own."""

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from marco_dag.profiles import Profile
from marco_dag.storage import Storage
from resources.profile import chosen_profile

TINY = Path(__file__).parent.parent / "profiles" / "tiny.yaml"

BATCH_ASSETS = (
    "seed_prompts",
    "seed_quarantine",
    "mcts_trees",
    "thoughts",
    "chains",
    "balanced_cot",
    "preference_pairs",
)


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

    def table(self, table: str, partition: str | None = None) -> pl.DataFrame:
        return pl.read_parquet(self.storage.table_file(table, partition))

    def drop(self, name: str, rows: Sequence[dict[str, Any] | str]) -> Path:
        """Put a seeds file into the inbox, as if a minute ago."""
        file = self.storage.seeds / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        os.utime(file, (time.time() - 60,) * 2)
        return file


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    [event] = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.fixture(scope="session")
def house(tmp_path_factory) -> Iterator[House]:
    """Loads the assets anew, because their partitions follow the profile; leaves no trace of it for other tests."""
    root = tmp_path_factory.mktemp("house")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MARCO_PROFILE", str(TINY))
        patch.setenv("MARCO_HOME", str(root))
        for name in [*sys.modules]:
            if name.split(".")[0] == "assets" or name == "marco_dag.definitions":
                patch.delitem(sys.modules, name)
        chosen_profile.cache_clear()
        with dg.DagsterInstance.ephemeral() as instance:
            defs = importlib.import_module("marco_dag.definitions").defs
            yield House(defs, Storage(root), chosen_profile(), instance)
    chosen_profile.cache_clear()
    for name in [*sys.modules]:
        if name.split(".")[0] == "assets" or name == "marco_dag.definitions":
            del sys.modules[name]
