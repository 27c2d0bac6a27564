"""A walk that follows one chain down to an answer, and past a wrong one by error backtracking (paper §3.1)."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from marco_dag.engines.protocol import Completion
from marco_dag.search.growth import Growth
from marco_dag.search.prompts import Ask
from marco_dag.search.tree import Node, ThoughtNode


class ChainWalk(ABC):
    """Goes on from one of the thoughts that were written, drawn by `rng`, until it stands on an answer or a defect.

    A wrong answer sends it back to the answer's parent, where the critic writes a forced thought, and it goes on from
    there. Where the critic only repeats a sibling, it goes on from that one.
    """

    def __init__(self, growth: Growth, rng: random.Random, start: Node, draw: int = 0) -> None:
        """`draw` tells this walk's asks from those of others that pass the same nodes."""
        self._growth = growth
        self._rng = rng
        self._draw = draw
        self.asks = self._asks_below(start)
        """See `Walk.asks`."""

    async def take(self, completions: Sequence[Sequence[Completion]]) -> None:
        """See `Walk.take`."""
        written = await self._growth.write(self.asks, completions)
        whole = [child for child in written if child.defect is None]
        self.asks = self._asks_after(self._rng.choice(whole)) if whole else ()

    def _asks_after(self, step: ThoughtNode) -> Sequence[Ask]:
        if not step.is_answer:
            return self._asks_below(step)
        forced = self._growth.ask_forced(step, self._draw) if self._growth.is_doubted(step) else None
        return () if forced is None else (forced,)

    @abstractmethod
    def _asks_below(self, node: Node) -> Sequence[Ask]:
        """What is asked where the walk stands on `node`; none ends it."""
