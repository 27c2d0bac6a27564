"""Registered model versions: which checkpoints are meant for use, which one is next, which one is in use.

A version is a checkpoint that passed its checks; its tags say which, the weights stay in the store. Two aliases:
`candidate`, the version registered last, and `champion`, the one in use. Whether a candidate may become the champion
is decided by `marco_dag.registry.promotion`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from marco_dag.errors import RegistryError
from marco_dag.redaction import redact_text
from marco_dag.registry.mlflow_store import MlflowStore

CANDIDATE = "candidate"
"""Alias of the version that was registered last."""
CHAMPION = "champion"
"""Alias of the version in use."""

_PREFIX = "marco."


@dataclass(frozen=True, slots=True)
class Registration:
    """What a version says of its checkpoint."""

    checkpoint: str
    """Under which name it was scored: a recipe's."""
    digest: str
    """What identifies its weights, configuration and tokenizer."""
    location: str
    """Its folder, relative to the storage root."""
    artifact: str
    """The artifact of the store that it lies in."""
    scores: str
    """The artifact of the store with its scores."""


@dataclass(frozen=True, slots=True)
class Version:
    """One registered model version."""

    model: str
    """The registered model's name."""
    number: int
    """Counted from 1."""
    registration: Registration
    """Its checkpoint."""

    def __str__(self) -> str:
        return f"{self.model} version {self.number} ({self.registration.checkpoint})"


def registered_name(profile: str) -> str:
    """The registered model that a profile's checkpoints are versions of."""
    return f"marco-{profile}"


class ModelRegistry:
    """The registered models of one MLflow store."""

    def __init__(self, store: MlflowStore) -> None:
        self._store = store

    def register(self, model: str, checkpoint: Registration, *, source: str, run_id: str) -> Version:
        """The version of a checkpoint, made where its weights are not registered yet; it becomes the candidate.

        `source` is where MLflow keeps what it knows of the checkpoint, `run_id` the run that scored it. Known weights
        get no second version, their tags are renewed. The champion does not become a candidate against itself.
        """
        client = self._client
        with self._asking(), self._store.lock():
            if not client.search_registered_models(f"name = '{model}'"):
                client.create_registered_model(model)
            known = [version for version in self._versions(model) if version.registration.digest == checkpoint.digest]
            number = known[0].number if known else int(client.create_model_version(model, source, run_id).version)
            for field in fields(checkpoint):
                self.tag(Version(model, number, checkpoint), {field.name: getattr(checkpoint, field.name)})
            if self._aliases(model).get(CHAMPION) != number:
                client.set_registered_model_alias(model, CANDIDATE, str(number))
        return Version(model, number, checkpoint)

    def find(self, model: str, what: str) -> Version:
        """The version that `what` names: an alias, a number, or a checkpoint, whose newest version is meant.

        RegistryError says what there is.
        """
        with self._asking():
            aliases, versions = self._aliases(model), self._versions(model)
        named = [
            version
            for version in versions
            if version.number == aliases.get(what) or what in (str(version.number), version.registration.checkpoint)
        ]
        if named:
            return named[0]
        if not versions:
            raise RegistryError(
                f"{model}: no version is registered; materialize benchmark_scores of a recipe that is a candidate, "
                "and it is registered once its checks pass"
            )
        there = ", ".join([*(f"{alias} (version {number})" for alias, number in aliases.items()), *map(str, versions)])
        raise RegistryError(f"{model}: no version is called {what!r}; there is: {there}")

    def champion(self, model: str) -> Version | None:
        """The version in use; None before the first promotion."""
        with self._asking():
            there = CHAMPION in self._aliases(model)
        return self.find(model, CHAMPION) if there else None

    def promote(self, version: Version, tags: Mapping[str, str]) -> None:
        """Make `version` the champion, and nobody the candidate if it was that; `tags` say why."""
        with self._asking(), self._store.lock():
            self.tag(version, tags)
            self._client.set_registered_model_alias(version.model, CHAMPION, str(version.number))
            if self._aliases(version.model).get(CANDIDATE) == version.number:
                self._client.delete_registered_model_alias(version.model, CANDIDATE)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Write tags of ours on a version."""
        for name, value in tags.items():
            self._client.set_model_version_tag(version.model, str(version.number), f"{_PREFIX}{name}", value)

    def aliased(self) -> Iterator[tuple[str, Version]]:
        """Every version that has an alias, of every registered model, with the alias."""
        if not self._store.exists:
            return
        with self._asking():
            models = {model.name: self._versions(model.name) for model in self._client.search_registered_models()}
            aliases = {model: self._aliases(model) for model in models}
        for model, versions in models.items():
            numbers = {version.number: version for version in versions}
            yield from ((alias, numbers[number]) for alias, number in aliases[model].items() if number in numbers)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """RegistryError where MLflow refuses or does not answer; it is not even imported where there is no store."""
        if not self._store.exists:
            yield
            return
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise RegistryError(redact_text(f"{self._store.uri}: MLflow's registry says: {error}")) from error

    @property
    def _client(self) -> Any:  # noqa: ANN401  MLflow is not typed
        return self._store.client()

    def _aliases(self, model: str) -> dict[str, int]:
        found = self._client.search_registered_models(f"name = '{model}'") if self._store.exists else []
        return {alias: int(number) for alias, number in found[0].aliases.items()} if found else {}

    def _versions(self, model: str) -> list[Version]:
        """The versions of ours, newest first."""
        names = [field.name for field in fields(Registration)]
        found = [
            Version(model, int(version.version), Registration(**{name: version.tags[_PREFIX + name] for name in names}))
            for version in (self._client.search_model_versions(f"name = '{model}'") if self._store.exists else [])
            if all(_PREFIX + name in version.tags for name in names)
        ]
        return sorted(found, key=lambda version: -version.number)
