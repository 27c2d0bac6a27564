"""How a tree grows, by the name of the strategy."""

import random
from collections.abc import Mapping

from marco_dag.search.beam import BeamSearch
from marco_dag.search.best_of_n import BestOfN
from marco_dag.search.calls import Calls
from marco_dag.search.config import SearchConfig
from marco_dag.search.growth import Growth
from marco_dag.search.mcts import MonteCarloTreeSearch
from marco_dag.search.patterns import Pattern
from marco_dag.search.prompts import PromptWriter
from marco_dag.search.tree import Tree
from marco_dag.search.tree_search import TreeSearch

_STRATEGIES: Mapping[str, type[TreeSearch]] = {"mcts": MonteCarloTreeSearch, "best-of-n": BestOfN, "beam": BeamSearch}


def make_search(
    tree: Tree,
    pattern: Pattern,
    writer: PromptWriter,
    calls: Calls,
    config: SearchConfig,
    rng: random.Random,
    *,
    max_tokens: int | None = None,
) -> TreeSearch:
    """The search of one tree by `config.strategy`; `max_tokens` takes the place of `config.max_tree_tokens`."""
    strategy = _STRATEGIES[config.strategy]
    return strategy(Growth(tree, pattern, writer, calls, config), rng, max_tokens=max_tokens)


__all__ = ["TreeSearch", "make_search"]
