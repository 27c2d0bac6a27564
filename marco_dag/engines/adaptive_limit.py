"""How many completions one server is given at once: as many as make it fastest, found out by trying.

Too few leave a server idle; too many slow some servers down badly. So the limit doubles while tokens per second grow,
stays where they were best, and looks now and then whether a neighbour has become better. It knows no HTTP.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable

START = 32
"""Completions that a server nobody knows yet is given at once."""

_LOWEST = -round(2 * math.log2(START))
"""The rung of one completion at once. Rung 0 is `START`, and two rungs up are twice as many."""
_BETTER, _BETTER_BELOW = 1.03, 1.15
"""A rung is better if it gives this many times the tokens per second; a lower one has to show it more clearly.

Too low a limit halves the speed of most servers, too high a one costs most of them nothing.
"""
_FRUITLESS = 2
"""Doublings in a row that bring nothing, after which the climb ends: one alone may have met a slow moment."""
_FEW_WINDOWS, _MANY_WINDOWS = 2, 16
"""Windows on the best rung between two looks at others: few after a move, ever more while nothing better is found."""
_SHORTEST_WINDOW_S, _FEWEST = 0.5, 64
"""A window lasts so many seconds, and twice as many completions as the limit, at least so many."""
_STARVED = 0.25
"""Share of a window's completions that may come back to a server with room to spare, if it is to say anything."""
_BETWEEN_SHRINKS_S = 1.0
"""A server that has too much to do says so to many calls at once; they count as one."""


class AdaptiveLimit:
    """Admits completions, first come, first served, and learns from how fast they come back."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Never more than `most` at once, ≥ 1; `clock` gives seconds."""
        self._most = most
        self._clock = clock
        self._rung = self._best = min(0, _rung_of(most))
        self._rates: dict[int, float] = {}
        self._climbing = True
        self._fruitless = self._steady = 0
        self._windows = _FEW_WINDOWS
        self._upwards = True
        self._live = 0
        self._shrunk = -_BETWEEN_SHRINKS_S + clock()
        self._waiting: OrderedDict[asyncio.Future[None], int] = OrderedDict()
        self._begin_window()

    @property
    def limit(self) -> int:
        """Completions let in at once, at present."""
        return self._limit_on(self._rung)

    @property
    def best(self) -> int:
        """The limit that has been fastest so far."""
        return self._limit_on(self._best)

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
        if not self._waiting and self._live < 0.75 * self.limit:
            self._starved += completions
        self._live -= completions
        self._returned += completions
        if self._returned <= self.limit:
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
        self._best = self._rung = max(self._rung - 1, _LOWEST)
        self._rates.clear()
        self._begin_window()

    def _fits(self, completions: int) -> bool:
        return not self._live or self._live + completions <= self.limit

    def _let_in(self) -> None:
        while self._waiting and self._fits(next(iter(self._waiting.values()))):
            turn, completions = self._waiting.popitem(last=False)
            self._live += completions
            if not turn.done():  # who was cancelled takes its leave in `enter`
                turn.set_result(None)

    def _begin_window(self) -> None:
        self._returned = self._tokens = self._starved = 0
        self._window_start = self._clock()

    def _judge(self) -> None:
        """Where a whole window at this limit has passed, choose the next."""
        seconds = self._clock() - self._window_start
        if self._returned < max(2 * self.limit, _FEWEST) or seconds < _SHORTEST_WINDOW_S:
            return
        rate = self._tokens / seconds
        starved = self._starved > _STARVED * self._returned
        self._begin_window()
        if starved:  # fewer were in flight than it allows, so this says nothing about it
            return
        before = self._rates.get(self._rung, rate) if self._rung == self._best else rate
        self._rates[self._rung] = (rate + before) / 2
        if self._climbing:
            self._climb()
        else:
            self._look_around()

    def _climb(self) -> None:
        """Double, until that is clearly of no use; then take the best rung that was passed, the lowest of equals."""
        enough = max(self._rates.values()) / _BETTER
        self._best = min(rung for rung, rate in self._rates.items() if rate >= enough)
        self._fruitless = 0 if self._rung == self._best else self._fruitless + 1
        self._climbing = self._fruitless < _FRUITLESS and self.limit < self._most
        self._rung = min(self._rung + 2, _rung_of(self._most)) if self._climbing else self._best

    def _look_around(self) -> None:
        """Stay on the best rung; now and then try a higher or a lower one, and stay there if it is better."""
        if self._rung != self._best:
            factor = _BETTER if self._rung > self._best else _BETTER_BELOW
            if self._rates[self._rung] > factor * self._rates[self._best]:
                self._best, self._windows = self._rung, _FEW_WINDOWS
            else:
                self._windows = min(2 * self._windows, _MANY_WINDOWS)
                self._upwards = not self._upwards
            self._rung = self._best
            return
        self._steady += 1
        if self._steady >= self._windows:
            self._steady = 0
            step = 1 if self._windows == _MANY_WINDOWS else 2
            self._rung = max(_LOWEST, min(self._best + (step if self._upwards else -step), _rung_of(self._most)))

    def _limit_on(self, rung: int) -> int:
        return min(self._most, round(START * 2 ** (rung / 2)))


def _rung_of(most: int) -> int:
    """The first rung that reaches `most`."""
    return math.ceil(2 * math.log2(most / START))
