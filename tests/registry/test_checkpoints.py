"""Which checkpoint a name stands for, and that no record leads out of the store."""

import pytest

from marco_dag.engines import checkpoint_digest
from marco_dag.errors import RegistryError, StorageError
from marco_dag.manifests import Model, write_manifest
from marco_dag.registry.checkpoints import Checkpoint, find_checkpoint
from marco_dag.store import ArtifactStore


@pytest.fixture
def trained(storage):
    def train(folder) -> None:
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text("{}")

    return ArtifactStore(storage.artifacts).get_or_make("second_stage", {}, train)


@pytest.fixture
def find(storage, opened, model):
    return lambda what: find_checkpoint(storage, opened, model, what)


def test_a_manifest_says_what_base_sft_and_each_recipe_are(find, storage, trained):
    ours = Model.in_storage(trained.path / "model", "digest", storage)
    write_manifest(storage.manifest_file("dpo_checkpoint", "full"), {"student": ours})
    write_manifest(storage.manifest_file("base_models"), {"student": Model("owner/name", "d", stored=False)})
    assert find("full") == Checkpoint("full", str(trained.path / "model"), "digest", trained.id)
    assert find("base") == Checkpoint("base", "owner/name", "d")


def test_an_alias_is_the_registered_version(find, register, scores, storage):
    version = register("a", scores([True]))
    found = find("candidate")
    assert (found.name, found.version, found.artifact) == ("full", version, version.registration.artifact)
    assert found.path == str(storage.root / version.registration.location)
    with pytest.raises(RegistryError, match="no version is called 'champion'"):
        find("champion")


def test_an_artifact_or_a_folder_is_known_by_its_content(find, trained, tmp_path, monkeypatch):
    folder = trained.path / "model"
    assert find(trained.id) == Checkpoint(trained.id, str(folder), checkpoint_digest(folder), trained.id)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    assert find("mine").path == find(f"{tmp_path}/mine").path == str(tmp_path / "mine")


@pytest.mark.parametrize("what", ["nobody", "sft", "*", "second_stage-*", "../../etc", "second_stage-0000000000000000"])
def test_the_unknown_is_told_what_there_is(find, storage, trained, what):
    ours = Model.in_storage(trained.path / "model", "digest", storage)
    write_manifest(storage.manifest_file("dpo_checkpoint", "full"), {"student": ours})
    with pytest.raises(RegistryError, match=r"is no checkpoint here\. Give base, sft or .*: full$"):
        find(what)


def test_no_record_leads_out_of_the_store(find, storage, trained, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text("{}")
    (storage.artifacts / "link").symlink_to(outside)
    for location in ("../outside", "artifacts/../../outside", str(outside), "artifacts/link", "tables"):
        write_manifest(storage.manifest_file("dpo_checkpoint", "full"), {"student": Model(location, "d", stored=True)})
        with pytest.raises(StorageError, match=r"leads out of .*artifacts"):
            find("full")


def test_artifacts_on_another_disk_are_ours_all_the_same(find, storage, trained, tmp_path):
    storage.artifacts.rename(tmp_path / "disk")
    storage.artifacts.symlink_to(tmp_path / "disk")
    assert find(trained.id).artifact == trained.id


def test_what_was_removed_is_missed(find, storage):
    gone = Model("artifacts/sft/sft-1/model", "d", stored=True)
    write_manifest(storage.manifest_file("sft_checkpoint"), {"student": gone})
    with pytest.raises(RegistryError, match="is not there any more; materialize the checkpoint again"):
        find("sft")
