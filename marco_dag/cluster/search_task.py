"""What all shards of a search have in common, as text that goes to every node."""

from pathlib import Path

from marco_dag.config import Config
from marco_dag.engines import EngineConfig, Role
from marco_dag.search import SearchConfig


class SearchTask(Config):
    """A search without its seeds."""

    checkpoints: dict[Role, str]
    """The model of each role: a folder that every node sees, or a name on the hub."""
    engines: dict[Role, EngineConfig]
    """How each role writes."""
    search: SearchConfig
    """How trees are grown."""
    seed: int
    """What all random choices derive from."""
    logs: Path
    """Where servers that a worker starts write their logs."""
