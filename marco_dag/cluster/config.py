"""How work is spread over a cluster. Nothing here changes what comes out of it."""

from pydantic import Field

from marco_dag.config import Config


class ClusterConfig(Config):
    """Workers, each with engines of its own, and the shards that they take one after another."""

    shard_trees: int = Field(256, ge=1)
    """Trees a shard, ≥ 1: what a worker takes at a time, and what a lost one has others take over."""
    workers: int | None = Field(None, ge=1)
    """Workers at once, ≥ 1; null: as many as the cluster has room for when the search begins."""
    cpus: float = Field(1.0, gt=0)
    """Cores of a node that a worker reserves, > 0."""
    gpus: float = Field(1.0, ge=0)
    """GPUs of a node that a worker reserves, ≥ 0."""
    wait_s: float = Field(600.0, gt=0)
    """Seconds that nobody works because no node has room for a worker, until that is an error, > 0."""
    attempts: int = Field(3, ge=1)
    """Workers that a shard may lose before that is an error, ≥ 1."""
