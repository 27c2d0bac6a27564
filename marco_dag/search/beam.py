"""Beam search, a baseline: the best thoughts of each level are grown on, whatever the verifier says of them.

What is best is the model's own confidence, averaged over the chain's thoughts; where none is known, chance decides. A
beam that is divided into groups grows each from samples of its own (diverse verifier tree search, as search-and-learn
does it). Every answer is checked as it appears; one that is kept ends its chain, and a wrong one is answered to as in
Monte Carlo tree search. A place in the beam counts as a rollout.
"""

import random
from collections.abc import Iterable, Sequence
from itertools import groupby

from marco_dag.engines.protocol import Completion
from marco_dag.search.growth import Growth
from marco_dag.search.prompts import Ask
from marco_dag.search.tree import Node, ThoughtNode, chain_confidence, chain_text
from marco_dag.search.tree_search import TreeSearch, Walk


class BeamGroup:
    """A walk of one level a step, from the prompt until every place has come to its end."""

    def __init__(self, growth: Growth, rng: random.Random, places: int, draw: int) -> None:
        """Keep up to `places` ≥ 1 thoughts a level; `draw` tells this group's asks from those of others."""
        self._growth = growth
        self._rng = rng
        self._places = places
        self._draw = draw
        self._kept: set[Node] = set()
        self.asks: Sequence[Ask] = self._asks_below([growth.tree.root], places)
        """See `Walk.asks`."""

    async def take(self, completions: Sequence[Sequence[Completion]]) -> None:
        """See `Walk.take`."""
        best = self._best(await self._write(completions))
        self._kept.update(best)
        forced = [ask for thought in best if (ask := self._ask_forced(thought)) is not None]
        self._places -= sum(thought.is_answer for thought in best) - len(forced)
        open_ = [thought for thought in best if not thought.is_answer]
        self.asks = [*forced, *self._asks_below(open_, self._places - len(forced))]

    async def _write(self, completions: Sequence[Sequence[Completion]]) -> Iterable[ThoughtNode]:
        """The distinct thoughts that the step made, in the order of its asks."""
        written: dict[ThoughtNode, None] = {}
        for _, pairs in groupby(zip(self.asks, completions, strict=True), key=lambda pair: id(pair[0].parent)):
            asks, samples = zip(*pairs, strict=True)
            written |= dict.fromkeys(await self._growth.write(asks, samples))
        return written

    def _best(self, thoughts: Iterable[ThoughtNode]) -> list[ThoughtNode]:
        """The whole ones for which there is a place, best first; none that was kept before: it has been grown."""
        whole = [thought for thought in thoughts if thought.defect is None and thought not in self._kept]
        scores = {thought: (chain_confidence(thought), self._rng.random()) for thought in whole}
        return sorted(whole, key=scores.__getitem__, reverse=True)[: self._places]

    def _ask_forced(self, thought: ThoughtNode) -> Ask | None:
        wrong = thought.is_answer and self._growth.is_doubted(thought)
        return self._growth.ask_forced(thought, self._draw) if wrong else None

    def _asks_below(self, nodes: Sequence[Node], places: int) -> list[Ask]:
        """Ask for every kind that may follow; where there are fewer nodes than places, for more of each."""
        asks = []
        for node in nodes:
            n = self._growth.config.children * -(-places // len(nodes))
            chain = chain_text(node)
            kinds = self._growth.kinds_below(node)
            asks += [self._growth.writer.ask(node, chain, kind, n=n, draw=self._draw) for kind in kinds]
        return asks


class BeamSearch(TreeSearch):
    """Passes of `config.beam_width` places, each with samples of its own."""

    def __init__(self, growth: Growth, rng: random.Random, *, max_tokens: int | None) -> None:
        super().__init__(growth, rng, max_tokens=max_tokens)
        self._groups = 0

    def _begin(self) -> Sequence[Walk]:
        places = min(self._config.beam_width, self._rollouts_left())
        if self._walks or places <= 0:
            return ()
        self.rollouts += places
        groups = min(self._config.beam_groups, places)
        begun = []
        for index in range(groups):
            share = places // groups + (index < places % groups)
            begun.append(BeamGroup(self._growth, self._rng, share, self._groups))
            self._groups += 1
        return begun
