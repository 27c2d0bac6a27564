"""Best-of-N, a baseline: chains that are written from the prompt to an answer, each as if there were no other.

Chains that say the same share their nodes, so the tables are those of any search; each samples its own continuation
all the same. What may follow is drawn evenly among what the pattern allows, and a wrong answer is answered to as in
Monte Carlo tree search. A chain counts as a rollout.
"""

from collections.abc import Sequence

from marco_dag.search.chain_walk import ChainWalk
from marco_dag.search.prompts import Ask
from marco_dag.search.tree import Node, chain_text
from marco_dag.search.tree_search import TreeSearch, Walk


class Chain(ChainWalk):
    """A walk that asks for one thought at a time."""

    def _asks_below(self, node: Node) -> Sequence[Ask]:
        kind = self._rng.choice(self._growth.kinds_below(node))
        return (self._growth.writer.ask(node, chain_text(node), kind, n=1, draw=self._draw),)


class BestOfN(TreeSearch):
    """Rounds of `config.samples` chains."""

    def _begin(self) -> Sequence[Walk]:
        if self._walks:
            return ()
        first = self.rollouts
        self.rollouts += min(self._config.samples, self._rollouts_left())
        return [Chain(self._growth, self._rng, self.tree.root, draw=number) for number in range(first, self.rollouts)]
