"""How much is in flight over all trees: a tree is begun when the engines can bear another one.

What counts is live sequences, not trees: a hard tree that runs several rollouts at once takes several trees' room. It
decides when trees begin, never what they become.
"""

import asyncio
from collections.abc import Sequence

from marco_dag.engines.protocol import RoleEngines
from marco_dag.search.prompts import Ask


class Admission:
    """The seats of one search."""

    def __init__(self, engines: RoleEngines, limit: int | None) -> None:
        """Bear `limit` live sequences over all roles, or as many as the engines say."""
        self._engines = engines
        self._limit = limit
        self._generating = 0
        self._all = 0
        self._changed = asyncio.Event()

    @property
    def live(self) -> int:
        """Sequences that the trees under way are waiting for or are about to ask for."""
        return self._all

    async def wait_for_room(self) -> None:
        """Return once another tree would find room.

        A tree begins by asking the generator, so that is whose room counts, and that of all engines together: trees
        that wait for a busy critic must not pile up without end.
        """
        while not self._has_room():
            self._changed.clear()
            await self._changed.wait()

    def _has_room(self) -> bool:
        if self._limit is not None:
            return self._all < self._limit
        capacity = self._engines["generator"].capacity
        distinct = {id(engine): engine for engine in self._engines.values()}
        return self._generating < capacity and self._all < sum(engine.capacity for engine in distinct.values())

    def move(self, generating: int, all_: int) -> None:
        """A seat grew or shrank by this many sequences."""
        self._generating += generating
        self._all += all_
        self._changed.set()


class Seat:
    """The room that one tree takes.

    Between two calls it keeps the size of the last, or every answer would let a new tree in before the old one has
    asked its next question, and in the end all would be under way.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._generating = 0
        self._all = 0
        self._in_flight = 0

    def take(self, asks: Sequence[Ask]) -> None:
        """`asks` go out."""
        generating = sum(ask.request.n for ask in asks if ask.role == "generator")
        everything = sum(ask.request.n for ask in asks)
        if not self._in_flight:
            self.free()
        self._in_flight += everything
        self._grow(generating, everything)

    def answered(self, asks: Sequence[Ask]) -> None:
        """They came back; their room is kept until the next go out."""
        self._in_flight -= sum(ask.request.n for ask in asks)

    def free(self) -> None:
        """Leave."""
        self._grow(-self._generating, -self._all)

    def _grow(self, generating: int, everything: int) -> None:
        self._generating += generating
        self._all += everything
        self._admission.move(generating, everything)
