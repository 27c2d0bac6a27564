"""Monte Carlo tree search: rollouts from selection to a checked answer (paper §3.1).

A rollout selects an unexpanded node, expands it with every transition that the pattern allows, and walks on from one of
the new children. An easy tree takes one rollout after the other; a hard one several at a time, each of which counts as
visits of value 0 on its way, so that the next looks elsewhere.
"""

import random
from collections.abc import Sequence

from marco_dag.engines.protocol import Completion
from marco_dag.search.chain_walk import ChainWalk
from marco_dag.search.growth import Growth
from marco_dag.search.prompts import Ask
from marco_dag.search.selection import Selection
from marco_dag.search.tree import Node, chain_text, upwards
from marco_dag.search.tree_search import TreeSearch, Walk


class Rollout(ChainWalk):
    """A walk that expands nodes, each of which is expanded once in the life of its tree."""

    def __init__(self, growth: Growth, rng: random.Random, start: Node, selection: Selection) -> None:
        self._selection = selection
        self._here: Node | None = None
        super().__init__(growth, rng, start)

    async def take(self, completions: Sequence[Sequence[Completion]]) -> None:
        """See `Walk.take`."""
        await super().take(completions)
        if not self.asks:
            self._stand_on(None)

    def _asks_below(self, node: Node) -> Sequence[Ask]:
        """Expand `node`, or what selection leads to below it where that has happened already."""
        self._stand_on(None)
        if any(above.closed for above in upwards(node)):
            return ()
        chosen = self._selection.choose(node)
        if chosen is None:
            return ()
        self._stand_on(chosen)
        chain = chain_text(chosen)
        return [self._growth.writer.ask(chosen, chain, kind) for kind in self._growth.kinds_below(chosen)]

    def _stand_on(self, node: Node | None) -> None:
        for left in upwards(self._here):
            left.under_way -= 1
        for reached in upwards(node):
            reached.under_way += 1
        self._here = node


class MonteCarloTreeSearch(TreeSearch):
    """See the module."""

    def __init__(self, growth: Growth, rng: random.Random, *, max_tokens: int | None) -> None:
        super().__init__(growth, rng, max_tokens=max_tokens)
        self._selection = Selection(growth.config, rng)

    def _begin(self) -> Sequence[Walk]:
        begun: list[Walk] = []
        ended = self.rollouts - len(self._walks)
        width = 1 if ended < self._config.hard_after else self._config.parallel_rollouts
        while len(self._walks) + len(begun) < width and self._rollouts_left() > 0:
            start = self._selection.choose(self.tree.root)
            if start is None:
                break
            self.rollouts += 1
            begun.append(Rollout(self._growth, self._rng, start, self._selection))
        return begun

    def _ran_out(self) -> str:
        return "exhausted" if self.tree.root.closed else super()._ran_out()
