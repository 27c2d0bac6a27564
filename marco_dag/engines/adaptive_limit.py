"""How many completions one server is given at once: as many as make it fastest, found out by trying.

Too few leave a server idle; too many slow some servers down badly. So the limit climbs while tokens per second climb,
stays where they were best, and looks now and then whether a neighbour has become better. It knows no HTTP.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

START = 32
"""Completions that a server nobody knows yet is given at once."""

_STEP = 2**0.5
_BETTER = 1.05
"""A limit is better than another if it gives this many times the tokens per second."""
_WORSE = 0.7
"""What the best limit still gives after the load has changed, if it is to be looked for anew."""
_STEADY_WINDOWS = 12
"""Windows at the best limit between two looks at a neighbour."""
_SHORTEST_WINDOW_S = 0.5
_BETWEEN_SHRINKS_S = 1.0
"""A server that has too much to do says so to many calls at once; they count as one."""


class AdaptiveLimit:
    """Admits completions, first come, first served, and learns from how fast they come back."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Never more than `most` at once, ≥ 1; `clock` gives seconds."""
        self._most = most
        self._clock = clock
        self._limit = min(START, most)
        self._best, self._best_rate = self._limit, 0.0
        self._climbing = True
        self._steady = 0
        self._upwards = True
        self._live = 0
        self._shrunk = -_BETWEEN_SHRINKS_S + clock()
        self._waiting: OrderedDict[asyncio.Future[None], int] = OrderedDict()
        self._begin_window()

    @property
    def limit(self) -> int:
        """Completions let in at once, at present."""
        return self._limit

    @property
    def best(self) -> int:
        """The limit that has been fastest so far."""
        return self._best

    async def enter(self, completions: int) -> None:
        """Return once `completions` more may go out together; a call that is larger than the limit goes alone."""
        if not self._waiting and self._fits(completions):
            self._live += completions
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = completions
        try:
            await turn
        except asyncio.CancelledError:
            if self._waiting.pop(turn, None) is None:  # let in, and gone before it knew
                self._live -= completions
            self._let_in()
            raise

    def leave(self, completions: int, tokens: int) -> None:
        """`completions` came back with `tokens` in all (0: they failed)."""
        if not self._waiting and self._live < 0.75 * self._limit:
            self._starved = True
        self._live -= completions
        self._returned += completions
        if self._returned <= self._limit:
            self._window_start = self._clock()  # these were begun under the limit before
        else:
            self._tokens += tokens
            self._judge()
        self._let_in()

    def shrink(self) -> None:
        """The server says that it has too much to do."""
        if self._clock() - self._shrunk < _BETWEEN_SHRINKS_S:
            return
        self._shrunk = self._clock()
        self._climbing = False
        self._best = self._limit = max(1, int(self._limit / _STEP))
        self._best_rate = 0.0
        self._begin_window()

    def _fits(self, completions: int) -> bool:
        return not self._live or self._live + completions <= self._limit

    def _let_in(self) -> None:
        while self._waiting and self._fits(next(iter(self._waiting.values()))):
            turn, completions = self._waiting.popitem(last=False)
            self._live += completions
            if not turn.done():  # who was cancelled takes its leave in `enter`
                turn.set_result(None)

    def _begin_window(self) -> None:
        self._returned = self._tokens = 0
        self._starved = False
        self._window_start = self._clock()

    def _judge(self) -> None:
        """Where a whole window at this limit has passed, choose the next."""
        seconds = self._clock() - self._window_start
        if self._returned < 2 * self._limit or seconds < _SHORTEST_WINDOW_S:
            return
        rate = self._tokens / seconds
        starved = self._starved
        self._begin_window()
        if starved:  # fewer were in flight than it allows, so this says nothing about it
            return
        if self._limit == self._best:
            self._stay(rate)
        elif rate > _BETTER * self._best_rate:
            self._best, self._best_rate = self._limit, rate
            self._move(self._limit * _STEP**2 if self._climbing else self._limit)
        else:
            self._climbing = False
            self._move(self._best)

    def _stay(self, rate: float) -> None:
        """A window at the best limit gave `rate`."""
        self._steady += 1
        if rate < _WORSE * self._best_rate or not self._best_rate:
            self._best_rate = rate
        self._best_rate += (rate - self._best_rate) / 4
        if self._climbing:
            self._move(self._limit * _STEP**2)
        elif self._steady >= _STEADY_WINDOWS:
            self._steady = 0
            self._upwards = not self._upwards
            self._move(self._best * _STEP if self._upwards else self._best / _STEP)

    def _move(self, limit: float) -> None:
        self._limit = max(1, min(self._most, round(limit)))
        self._climbing = self._climbing and self._limit != self._best
