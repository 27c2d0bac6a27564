"""Engines as a resource: what a step opens to make a model write."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import dagster as dg

from marco_dag.engines import Engine, EngineConfig, Role, RoleEngines, TransformersConfig, open_engine, open_roles
from marco_dag.profiles import Profile
from resources.models import Models
from resources.storage import StorageResource


class EnginesResource(dg.ConfigurableResource["EnginesResource"]):
    """Opens engines in this process, or on servers."""

    home: dg.ResourceDependency[StorageResource]
    """Where everything is kept, the logs of servers that are started here too."""
    device: str = ""
    """Where models of this process run in this deployment, `cpu`, `cuda` or `mps`; empty leaves it to the profile."""

    @contextmanager
    def open(self, model: str, config: EngineConfig, *, name: str) -> Iterator[Engine]:
        """The engine over a checkpoint folder or a name on the hub, for the length of the `with` block.

        `name` is what a server started for it is called in its log.
        """
        logs = self.home.storage.engine_logs
        with open_engine(model, self._placed(config), name=name, logs=logs, say=_say) as engine:
            yield engine

    @contextmanager
    def open_roles(self, models: Models, profile: Profile) -> Iterator[RoleEngines]:
        """The engines of a search over `models` as the profile says; roles of one model and one way share one."""
        checkpoints, configs = self.plan_roles(models, profile)
        with open_roles(checkpoints, configs, logs=self.home.storage.engine_logs, say=_say) as engines:
            yield engines

    def plan_roles(self, models: Models, profile: Profile) -> tuple[dict[Role, str], dict[Role, EngineConfig]]:
        """Where each role's checkpoint lies, and how it writes, without opening anything."""
        roles: tuple[Role, ...] = get_args(Role)
        checkpoints = {role: models[role].path(self.home.storage) for role in roles}
        return checkpoints, {role: self._placed(profile.engine_of(role)) for role in roles}

    def _placed(self, config: EngineConfig) -> EngineConfig:
        if self.device and isinstance(config, TransformersConfig):
            return config.model_copy(update={"device": self.device})
        return config


def _say(line: str) -> None:
    """To standard error, which the web UI shows beside the run."""
    sys.stderr.write(f"{line}\n")
