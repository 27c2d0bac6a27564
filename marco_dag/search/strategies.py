"""How a tree grows, by the name of the strategy."""

from marco_dag.search.rollout import TreeSearch

make_search = TreeSearch

__all__ = ["TreeSearch", "make_search"]
