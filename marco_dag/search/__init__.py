"""Tree search: transition patterns, the tree, and the MCTS driver that grows many trees at once (paper §3.1)."""

from marco_dag.search.config import PatternConfig, SearchConfig
from marco_dag.search.driver import SEARCH_VERSION, grow_forest, search_trees
from marco_dag.search.patterns import PATTERNS, Pattern, resolve_patterns
from marco_dag.search.rollout import TreeSearch
from marco_dag.search.tables import Forest

__all__ = [
    "PATTERNS",
    "SEARCH_VERSION",
    "Forest",
    "Pattern",
    "PatternConfig",
    "SearchConfig",
    "TreeSearch",
    "grow_forest",
    "resolve_patterns",
    "search_trees",
]
