"""Manifests of models: what an asset hands over and what those downstream get, partitions and all."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from marco_dag.storage import Storage
from resources.models import Model, ModelManifests, Models
from resources.storage import StorageResource

RECIPES = dg.StaticPartitionsDefinition(["plain", "full"])
SCORED = dg.StaticPartitionsDefinition(["base", "plain", "full"])
OWN = dg.StaticPartitionMapping({"plain": "plain", "full": "full"})

seen: list[object] = []


@pytest.fixture
def storage(tmp_path) -> Storage:
    return Storage(tmp_path / "data")


def model(storage: Storage, name: str) -> Model:
    return Model.in_storage(storage.artifacts / name / "model", f"digest of {name}", storage)


@pytest.fixture
def run(storage):
    @dg.asset(io_manager_key="models")
    def base() -> Models:
        return {role: model(storage, role) for role in ("generator", "student")}

    @dg.asset(io_manager_key="models", partitions_def=RECIPES)
    def recipe(context: dg.AssetExecutionContext) -> Models:
        return {"student": model(storage, context.partition_key)}

    @dg.asset(partitions_def=SCORED, ins={"recipe": dg.AssetIn(partition_mapping=OWN)})
    def scores(base: Models, recipe: dict[str, Models]) -> None:
        seen.append((base, recipe))

    @dg.asset(ins={"recipe": dg.AssetIn(partition_mapping=dg.AllPartitionMapping())})
    def report(recipe: dict[str, Models]) -> None:
        seen.append(recipe)

    def materialize(asset: str, partition: str | None = None) -> None:
        seen.clear()
        dg.materialize(
            [base, recipe, scores, report],
            selection=[asset],
            partition_key=partition,
            instance=instance,
            resources={"models": ModelManifests(home=StorageResource(root=str(storage.root)))},
        )

    with dg.DagsterInstance.ephemeral() as instance:
        yield materialize


def test_an_upstream_without_partitions_is_its_models(run, storage):
    run("base")
    run("scores", "base")
    assert seen == [({role: model(storage, role) for role in ("generator", "student")}, {})]


def test_an_upstream_with_partitions_is_a_dict_of_those_that_are_there(run, storage):
    run("base")
    run("report")
    assert seen == [{}]
    run("recipe", "full")
    run("report")
    assert seen == [{"full": {"student": model(storage, "full")}}]
    run("scores", "full")
    assert seen[0][1] == {"full": {"student": model(storage, "full")}}
    run("scores", "plain")
    assert seen[0][1] == {}


def test_a_missing_upstream_without_partitions_ends_the_step(run):
    with pytest.raises(dg.Failure, match="base was not materialized yet"):
        run("scores", "base")


def test_models_move_with_the_storage_root(run, storage, tmp_path):
    run("base")
    shutil.move(storage.root, tmp_path / "elsewhere")
    moved = Storage(tmp_path / "elsewhere")
    path = model(storage, "student").path(moved)
    assert path == str(tmp_path / "elsewhere" / "artifacts" / "student" / "model")


def test_a_model_of_somebody_else_s_keeps_its_own_place(storage):
    assert Model("owner/name", "d", stored=False).path(storage) == "owner/name"
    with pytest.raises(ValueError, match="outside"):
        Model.in_storage(Path("/outside/model"), "d", storage)
