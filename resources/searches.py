"""Where a batch is searched: in the step's own process, or in shards on all nodes of the cluster that it runs in."""

from pathlib import Path

import dagster as dg
import polars as pl

from marco_dag.cluster import ClusterConfig, SearchTask, search_on_cluster
from marco_dag.profiles import Profile
from marco_dag.search import search_into
from resources.engines import EnginesResource
from resources.models import Models


class Searches(dg.ConfigurableResource["Searches"]):
    """Searches batches in this process."""

    engines: dg.ResourceDependency[EnginesResource]
    """Opens the engines of the two roles."""

    def search(self, folder: Path, seeds: pl.DataFrame, models: Models, profile: Profile) -> None:
        """`marco_dag.search.search_into` by `models` as the profile says."""
        with self.engines.open_roles(models, profile) as roles:
            search_into(folder, seeds, roles, profile.search, seed=profile.seed)

    def plan(self, models: Models, profile: Profile) -> SearchTask:
        """The same search without its seeds, for whoever does it elsewhere."""
        checkpoints, engines = self.engines.plan_roles(models, profile)
        return SearchTask(
            checkpoints=checkpoints,
            engines=engines,
            search=profile.search,
            seed=profile.seed,
            logs=self.engines.home.storage.engine_logs,
        )


class ClusterSearches(Searches):
    """Searches batches on the nodes of the Ray cluster that the step runs in."""

    cores: float
    """Cores that a worker reserves, > 0."""
    gpus: float
    """GPUs that a worker reserves, ≥ 0."""
    wait_seconds: float
    """How long nobody may be at work for want of a node with room, > 0."""

    def search(self, folder: Path, seeds: pl.DataFrame, models: Models, profile: Profile) -> None:
        """`marco_dag.cluster.search_on_cluster` by `models` as the profile says; the same tables."""
        config = ClusterConfig(cpus=self.cores, gpus=self.gpus, wait_s=self.wait_seconds)
        search_on_cluster(folder, seeds, self.plan(models, profile), config)
