"""Registered versions in a real MLflow store: registered once, found by every name, promoted."""

import dataclasses

import pytest

from marco_dag.errors import RegistryError
from marco_dag.registry import MlflowStore, ModelRegistry, registered_name

RIGHT = [True] * 4


def test_a_model_is_named_by_its_profile():
    assert registered_name("miniature") == "marco-miniature"


def test_each_new_checkpoint_is_a_version_and_the_last_one_is_the_candidate(registry, model, register, scores):
    first, second = register("a", scores(RIGHT)), register("b", scores(RIGHT), checkpoint="other")
    assert (first.number, second.number) == (1, 2)
    assert registry.find(model, "candidate") == second
    assert registry.find(model, "1") == registry.find(model, "full") == first
    assert str(second) == f"{model} version 2 (other)"


def test_known_weights_get_no_second_version_but_their_newest_scores(registry, model, register, scores):
    first = register("a", scores(RIGHT))
    renewed = dataclasses.replace(first.registration, scores="scores-of-today")
    assert registry.register(model, renewed, source="somewhere", run_id=None).number == first.number
    assert registry.find(model, "full").registration == renewed
    with pytest.raises(RegistryError, match="no version is called '2'"):
        registry.find(model, "2")


def test_the_champion_is_no_candidate_against_itself(registry, model, register, scores):
    assert registry.champion(model) is None
    first = register("a", scores(RIGHT))
    registry.promote(first, {"decision": "promoted"})
    assert registry.champion(model) == first
    second = register("b", scores(RIGHT))
    assert register("a", scores(RIGHT)) == first
    assert registry.find(model, "candidate") == second
    registry.promote(second, {})
    assert registry.champion(model) == second
    with pytest.raises(RegistryError, match=r"no version is called 'candidate'; there is: champion \(version 2\), "):
        registry.find(model, "candidate")


def test_every_aliased_version_is_told(registry, model, register, scores):
    first = register("a", scores(RIGHT))
    registry.promote(first, {})
    second = register("b", scores(RIGHT))
    mine = {(alias, version) for alias, version in registry.aliased() if version.model == model}
    assert mine == {("champion", first), ("candidate", second)}


def test_without_a_store_nothing_is_registered_and_none_is_made(tmp_path):
    registry = ModelRegistry(MlflowStore(tmp_path / "mlflow"))
    assert list(registry.aliased()) == []
    assert registry.champion("marco-mine") is None
    with pytest.raises(RegistryError, match="marco-mine: no version is registered; materialize benchmark_scores"):
        registry.find("marco-mine", "candidate")
    assert not (tmp_path / "mlflow").exists()


def test_mlflow_s_refusal_is_an_error_of_ours_without_the_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = ModelRegistry(MlflowStore(tmp_path, "http://me:hunter2hunter2@127.0.0.1:9"))
    with pytest.raises(RegistryError, match="MLflow's registry says") as caught:
        registry.champion("marco-mine")
    assert "hunter2" not in str(caught.value)
