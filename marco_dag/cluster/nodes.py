"""The cluster that this process runs in: joining it, and what room its nodes have."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from marco_dag.cluster.config import ClusterConfig
from marco_dag.errors import ClusterError


@contextmanager
def connected() -> Iterator[None]:
    """Be connected to the cluster that `RAY_ADDRESS` names, as it does in every Ray job, or that this machine is in.

    A connection of the caller's own is used and stays. ClusterError where there is no cluster.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address="auto", log_to_driver=False)
    except ConnectionError as error:
        raise ClusterError(
            f"no Ray cluster: {error}. Set RAY_ADDRESS to its head, or run on a machine that is part of it."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def room_for_workers(config: ClusterConfig) -> int:
    """How many workers the nodes could hold if they did nothing else; at least 1, for a cluster may grow."""
    return max(1, sum(_room_on(node["Resources"], config) for node in _alive()))


def describe_nodes() -> str:
    """The nodes that are alive with their cores and GPUs, for people."""
    told = (
        f"{node['NodeManagerAddress']} ({resources.get('CPU', 0):g} cores, {resources.get('GPU', 0):g} GPUs)"
        for node in _alive()
        for resources in [node["Resources"]]
    )
    return ", ".join(told) or "none"


def _alive() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _room_on(resources: Mapping[str, float], config: ClusterConfig) -> int:
    room = resources.get("CPU", 0.0) // config.cpus
    if config.gpus:
        room = min(room, resources.get("GPU", 0.0) // config.gpus)
    return int(room)
