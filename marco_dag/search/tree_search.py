"""The search of one tree, whatever the strategy: walks that take their steps together, and when to stop.

All the calls of a step are in flight at once; what they bring is applied in the order of the walks, never in that of
arrival, so that a tree is a function of its seed and its completions (docs/decisions/waves-not-arrivals.md).
"""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from marco_dag.engines.protocol import Completion
from marco_dag.errors import EngineError, EngineUnavailableError
from marco_dag.search.growth import Growth
from marco_dag.search.prompts import Ask


class Walk(Protocol):
    """Something that goes down the tree step by step."""

    asks: Sequence[Ask]
    """What its next step needs; none: it has ended."""

    async def take(self, completions: Sequence[Sequence[Completion]]) -> None:
        """Take the step with the completions of `asks`."""
        ...


class TreeSearch(ABC):
    """One tree and the search that grows it; a strategy says which walks begin when."""

    def __init__(self, growth: Growth, rng: random.Random, *, max_tokens: int | None) -> None:
        """`max_tokens` takes the place of `config.max_tree_tokens`; None leaves it at that."""
        self.tree = growth.tree
        self.pattern = growth.pattern
        self.strategy = growth.config.strategy
        """By which it grows."""
        self.rollouts = 0
        """Begun so far."""
        self.stop_reason = ""
        """Why it ended.

        "correct_most", "correct_enough", "max_tree_tokens", "exhausted", "hopeless", "rollouts" or "failed: …".
        """
        self.seconds = 0.0
        """Wall-clock time from its first step to its last."""
        self.failure: EngineError | None = None
        """What made it fail."""
        self._growth = growth
        self._config = growth.config
        self._rng = rng
        self._max_tokens = growth.config.max_tree_tokens if max_tokens is None else max_tokens
        self._walks: list[Walk] = []

    @property
    def tokens(self) -> int:
        """Sampled so far, discarded duplicates included."""
        return self._growth.tokens

    @property
    def correct(self) -> int:
        """Distinct correct answer paths."""
        return self._growth.correct

    @property
    def wrong(self) -> int:
        """Distinct answer paths that were checked and are not correct."""
        return self._growth.wrong

    async def grow(self) -> None:
        """Take steps until a stop rule holds; an EngineError ends this search alone and keeps what has grown."""
        start = time.perf_counter()
        try:
            while not (reason := self._reached_limit()):
                self._walks += self._begin()
                if not self._walks:
                    reason = self._ran_out()
                    break
                await self._step()
        except EngineUnavailableError:
            raise
        except EngineError as error:
            self.failure = error
            reason = f"failed: {error}"
        self.stop_reason = reason
        self.seconds = time.perf_counter() - start

    @abstractmethod
    def _begin(self) -> Sequence[Walk]:
        """The walks that begin now beside those under way; none where none can or may."""

    def _rollouts_left(self) -> int:
        """Rollouts that may begin now, as far as the limits on their number go."""
        most = self._config.rollouts
        if not self.correct and self._config.hopeless_after is not None:
            most = min(most, self._config.hopeless_after)
        return most - self.rollouts

    def _ran_out(self) -> str:
        """Why no walk is under way and none begins."""
        return "rollouts" if self.rollouts >= self._config.rollouts else "hopeless"

    def _reached_limit(self) -> str:
        """The stop rule that holds whatever is under way, or ""."""
        config = self._config
        if self.correct >= config.correct_most:
            return "correct_most"
        if self.correct >= config.correct_enough and self.wrong:
            return "correct_enough"
        if self._max_tokens is not None and self.tokens >= self._max_tokens:
            return "max_tree_tokens"
        return ""

    async def _step(self) -> None:
        completions = iter(await self._growth.calls.complete([ask for walk in self._walks for ask in walk.asks]))
        for walk in self._walks:
            await walk.take([next(completions) for _ in walk.asks])
        self._walks = [walk for walk in self._walks if walk.asks]
