"""The leavings of a small pipeline, with real checkpoints behind them: what there is to hand out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from marco_dag.engines import checkpoint_digest
from marco_dag.lineage import LineageLog
from marco_dag.manifests import Model, write_manifest
from marco_dag.storage import Storage
from marco_dag.store import ArtifactStore
from tests.conftest import CRITIC, GENERATOR
from tests.engines.conftest import character_tokenizer, random_model

KEY = {"config": {"learning_rate": 0.001, "epochs": 3}, "seed": 7, "code": "1"}


@dataclass
class Made:
    """What was made."""

    storage: Storage
    digest: str
    """Of the checkpoint `full`."""
    artifact: Path
    """Where it lies."""


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """Random weights behind a character tokenizer."""
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = character_tokenizer()
    random_model("llama", tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def made(leavings, checkpoint) -> Made:
    storage, store, log = leavings.storage, ArtifactStore(leavings.storage.artifacts), LineageLog(leavings.storage)

    def train(folder: Path) -> None:
        (folder / "model").mkdir()
        for file in checkpoint.iterdir():
            (folder / "model" / file.name).write_bytes(file.read_bytes())

    base = {
        "generator": Model("somebody/big-instruct", GENERATOR, stored=False),
        "critic": Model("/secret/place/other-instruct", CRITIC, stored=False),
        "student": Model("somebody/small-instruct", "digest-of-the-student", stored=False),
    }
    write_manifest(storage.manifest_file("base_models"), base)
    digest = checkpoint_digest(checkpoint)
    sft = store.get_or_make("sft", {"student": "digest-of-the-student", **KEY}, train)
    full = store.get_or_make("second_stage", {"sft": "digest-of-sft", "recipe": {"beta": 0.25}, "seed": 7}, train)
    old_sft = leavings.ids["sft_checkpoint"]
    for asset, partition, artifact, version in (
        ("sft_checkpoint", None, sft, "digest-of-sft"),
        ("dpo_checkpoint", "full", full, digest),
    ):
        event = log.latest(asset, partition)
        inputs = tuple(leavings.ids["sft_checkpoint"] if source == old_sft else source for source in event.inputs)
        event = replace(event, run_id="run-2", data_version=version, stored=artifact.id, inputs=inputs)
        leavings.ids[f"{asset}/{partition}" if partition else asset] = log.append(event)
        model = Model.in_storage(artifact.path / "model", version, storage)
        write_manifest(storage.manifest_file(asset, partition), {"student": model})
    file = storage.table_file("scores", "full")
    pl.read_parquet(file).with_columns(checkpoint_digest=pl.lit(digest)).write_parquet(file)
    return Made(storage, digest, full.path)


@pytest.fixture
def export(made, marco, tmp_path) -> Callable[..., tuple[int, str, str]]:
    """Runs `marco export … FOLDER`; the folder is `tmp_path/out` unless it is given."""
    return lambda *arguments: marco("export", "full", str(tmp_path / "out"), *arguments)
