"""Which thought is grown next: UCB with virtual loss and a prior (paper §3.1).

It reads the tree and changes nothing in it.
"""

import math
import random
from collections.abc import Sequence

from marco_dag.search.config import SearchConfig
from marco_dag.search.tree import Node, ThoughtNode


def ucb(value: float, visits: float, parent_visits: float, exploration: float) -> float:
    """The selection score v/n + C·sqrt(ln max(N_parent, 1) / n) (paper §3.1); n > 0, C = `exploration`."""
    return value / visits + exploration * math.sqrt(math.log(max(parent_visits, 1.0)) / visits)


class Selection:
    """How one tree chooses."""

    def __init__(self, config: SearchConfig, rng: random.Random) -> None:
        self._exploration = config.exploration
        self._first_play = config.first_play
        self._virtual_loss = config.virtual_loss
        self._prior_weight = config.prior_weight
        self._rng = rng

    def choose(self, start: Node) -> Node | None:
        """The open, unexpanded node that UCB leads to from `start`; None where there is none that nobody expands yet.

        Of equal scores, the one without visits that `rng` draws comes first, so that first visits are not
        breadth-first in the order of the pattern; where all have visits, the one that was written first.
        """
        barred: set[Node] = set()
        while start not in barred:
            node = start
            while node.expanded:
                rivals = [child for child in node.children if not child.closed and child not in barred]
                if not rivals:
                    break
                node = self._best(rivals, node)
            if not node.expanded and not node.under_way:
                return node
            barred.add(node)
        return None

    def _best(self, rivals: Sequence[ThoughtNode], parent: Node) -> ThoughtNode:
        if len(rivals) == 1:
            return rivals[0]
        parent_visits = parent.visits + self._virtual_loss * parent.under_way
        scores = [self._score(rival, parent_visits) for rival in rivals]
        highest = max(scores)
        best = [rival for rival, score in zip(rivals, scores, strict=True) if score == highest]
        unvisited = [rival for rival in best if rival.visits == 0]
        return self._rng.choice(unvisited) if unvisited else best[0]

    def _score(self, node: ThoughtNode, parent_visits: float) -> float:
        value, visits = (node.value, float(node.visits)) if node.visits else (self._first_play, 1.0)
        visits += self._virtual_loss * node.under_way
        if self._prior_weight and node.confidence is not None:
            value += self._prior_weight * node.confidence
            visits += self._prior_weight
        return ucb(value, visits, parent_visits, self._exploration)
