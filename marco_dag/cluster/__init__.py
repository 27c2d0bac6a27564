"""Work spread over the nodes of a Ray cluster. Needs the extra `ray`; nothing else in the library does."""

from marco_dag.cluster.config import ClusterConfig
from marco_dag.cluster.search_task import SearchTask
from marco_dag.cluster.sharded_search import search_on_cluster

__all__ = ["ClusterConfig", "SearchTask", "search_on_cluster"]
