"""Whose step is next where several engines step in one event loop: generator and critic of a search, say.

They share one machine, and a forward for few sequences costs nearly as much as one for many. So the engine with the
most to do goes first; meanwhile the calls for the others gather, and theirs become large too. It knows no models.
"""

import asyncio
from weakref import WeakKeyDictionary

PATIENCE = 32
"""Steps of others that an engine lets pass, at most: nobody starves beside one that is always full."""


class Turns:
    """The engines of one event loop that have something to do."""

    def __init__(self) -> None:
        self._loads: dict[object, int] = {}
        self._last: dict[object, int] = {}
        self._steps = 0

    def take(self, engine: object, load: int) -> bool:
        """Whether `engine`, whose next step would serve `load` sequences, is to step now; else it asks again soon."""
        self._loads[engine] = load
        last = self._last.setdefault(engine, self._steps)
        if load < max(self._loads.values()) and self._steps - last < PATIENCE:
            return False
        self._steps += 1
        self._last[engine] = self._steps
        return True

    def leave(self, engine: object) -> None:
        """`engine` has nothing to do any more."""
        self._loads.pop(engine, None)
        self._last.pop(engine, None)


def turns_here() -> Turns:
    """Those of the running event loop."""
    return _turns.setdefault(asyncio.get_running_loop(), Turns())


_turns: "WeakKeyDictionary[asyncio.AbstractEventLoop, Turns]" = WeakKeyDictionary()
