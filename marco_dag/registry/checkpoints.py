"""Which checkpoint is meant by a name: `base`, `sft`, a recipe, an alias of the registry, an artifact or a folder."""

from dataclasses import dataclass
from pathlib import Path

from marco_dag.engines import checkpoint_digest
from marco_dag.errors import RegistryError
from marco_dag.lineage.producers import CHECKPOINT_ASSETS, RECIPE_ASSET
from marco_dag.manifests import Model, read_manifest
from marco_dag.registry.mlflow_store import MlflowStore
from marco_dag.registry.versions import CANDIDATE, CHAMPION, ModelRegistry, Version
from marco_dag.storage import Storage

ACCEPTED = (
    "base, sft or a recipe that was trained; champion or candidate; an artifact (second_stage-…); a folder in "
    "Hugging Face format"
)
"""What `find_checkpoint` takes."""

_MODEL = "model"
"""Where in an artifact of a training its checkpoint lies."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was asked for by a name."""

    name: str
    """What it is called where a short name is needed: as it was scored, else its artifact or folder."""
    path: str
    """Its folder, or its name on the hub."""
    digest: str
    """What identifies weights, configuration and tokenizer."""
    artifact: str | None = None
    """The artifact of the store that it lies in; None where it lies elsewhere."""
    version: Version | None = None
    """Its version in the registry, where it was asked for by an alias."""


def find_checkpoint(storage: Storage, mlflow: MlflowStore, model: str, what: str) -> Checkpoint:
    """The checkpoint that `what` (see ACCEPTED) names; aliases are those of the registered model `model`.

    RegistryError, saying what is accepted, where it is none; StorageError where a record leads out of the store.
    """
    if what in (CANDIDATE, CHAMPION):
        version = ModelRegistry(mlflow).find(model, what)
        registration = version.registration
        folder = _existing(storage.artifact_folder(registration.location))
        return Checkpoint(registration.checkpoint, str(folder), registration.digest, registration.artifact, version)
    asset, partition = (CHECKPOINT_ASSETS[what], None) if what in CHECKPOINT_ASSETS else (RECIPE_ASSET, what)
    manifest = storage.manifest_file(asset, partition)
    if manifest.is_file():
        return _of_manifest(storage, what, read_manifest(manifest)["student"])
    kind = what.rpartition("-")[0]
    if "/" not in what and (storage.artifacts / kind / what / _MODEL).is_dir():
        folder = storage.artifact_folder(f"artifacts/{kind}/{what}/{_MODEL}")
        return Checkpoint(what, str(folder), checkpoint_digest(folder), what)
    if (Path(what) / "config.json").is_file():
        folder = Path(what).resolve()
        return Checkpoint(folder.name, str(folder), checkpoint_digest(folder))
    raise RegistryError(f"{what!r} is no checkpoint here. Give {ACCEPTED}. Below {storage.root}: {_there(storage)}")


def _of_manifest(storage: Storage, name: str, model: Model) -> Checkpoint:
    if not model.stored:
        return Checkpoint(name, model.location, model.digest)
    return Checkpoint(name, str(_existing(storage.artifact_folder(model.location))), model.digest, model.artifact)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise RegistryError(f"{folder}: is not there any more; materialize the checkpoint again")
    return folder


def _there(storage: Storage) -> str:
    named = [name for name, asset in CHECKPOINT_ASSETS.items() if storage.manifest_file(asset).is_file()]
    recipes = sorted(file.stem for file in storage.manifest_file(RECIPE_ASSET, "any").parent.glob("*.json"))
    return ", ".join([*named, *recipes]) or "none was trained yet"
