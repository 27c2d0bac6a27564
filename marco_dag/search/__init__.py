"""Tree search: transition patterns, the tree, and the MCTS driver that grows many trees at once (paper §3.1)."""

from marco_dag.search.comparison import compare_strategies
from marco_dag.search.config import NO_END_BUT_TOKENS, PatternConfig, SearchConfig, SelfScoredConfig
from marco_dag.search.driver import THOUGHTS_FILE, TREES_FILE, grow_forest, search_into, search_trees
from marco_dag.search.patterns import PATTERNS, Pattern, resolve_patterns
from marco_dag.search.planting import SEARCH_VERSION
from marco_dag.search.shards import Shard, ShardsWatch, cut_into_shards, join_shards, remove_shards
from marco_dag.search.strategies import TreeSearch
from marco_dag.search.tables import Forest
from marco_dag.search.watching import SearchView, SearchWatch

__all__ = [
    "NO_END_BUT_TOKENS",
    "PATTERNS",
    "SEARCH_VERSION",
    "THOUGHTS_FILE",
    "TREES_FILE",
    "Forest",
    "Pattern",
    "PatternConfig",
    "SearchConfig",
    "SearchView",
    "SearchWatch",
    "SelfScoredConfig",
    "Shard",
    "ShardsWatch",
    "TreeSearch",
    "compare_strategies",
    "cut_into_shards",
    "grow_forest",
    "join_shards",
    "remove_shards",
    "resolve_patterns",
    "search_into",
    "search_trees",
]
