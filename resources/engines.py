"""Engines as a resource: what a step opens to make a model write."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from marco_dag.engines import Engine, EngineConfig, TransformersConfig, load_engine
from marco_dag.errors import EngineError


class EnginesResource(dg.ConfigurableResource["EnginesResource"]):
    """Opens engines in this process."""

    device: str = ""
    """Where models run in this deployment, `cpu`, `cuda` or `mps`; empty leaves it to the profile."""

    @contextmanager
    def open(self, model: str, config: EngineConfig) -> Iterator[Engine]:
        """The engine over a checkpoint folder or a name on the hub, for the length of the `with` block."""
        if not isinstance(config, TransformersConfig):
            raise EngineError(f"engine.kind: {config.kind} cannot be opened yet")
        yield load_engine(model, config.model_copy(update={"device": self.device} if self.device else {}))
