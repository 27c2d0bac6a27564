"""Engines as a resource: what a step opens to make a model write."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from marco_dag.engines import Engine, EngineConfig, Role, RoleEngines, TransformersConfig, open_engine, open_roles
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
    def open_roles(self, models: Mapping[Role, str], configs: Mapping[Role, EngineConfig]) -> Iterator[RoleEngines]:
        """The engines of a search, by role; roles of one model and one configuration share one."""
        placed = {role: self._placed(config) for role, config in configs.items()}
        with open_roles(models, placed, logs=self.home.storage.engine_logs, say=_say) as engines:
            yield engines

    def _placed(self, config: EngineConfig) -> EngineConfig:
        if self.device and isinstance(config, TransformersConfig):
            return config.model_copy(update={"device": self.device})
        return config


def _say(line: str) -> None:
    """To standard error, which the web UI shows beside the run."""
    sys.stderr.write(f"{line}\n")
