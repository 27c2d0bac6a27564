"""The calls of one engine that wait for room, first come, first served; every step of it costs O(1)."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from marco_dag.engines.protocol import Completion, Request


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled continuation, and what it was sampled as."""

    completion: Completion
    """The continuation."""
    tokens: tuple[int, ...]
    """The sampled tokens, the stopping ones included."""


@dataclass(eq=False, slots=True)
class Call:
    """A request on its way."""

    request: Request
    prompt: list[int]
    limit: int
    """Tokens that a sample may have: the request's own limit, or what the context leaves."""
    future: "asyncio.Future[Sequence[Sample]]"
    done: dict[int, Sample] = field(default_factory=dict)


class WaitingLine:
    """Calls in the order they came."""

    def __init__(self) -> None:
        self._calls: OrderedDict[Call, None] = OrderedDict()
        self.samples = 0
        """Completions that all of them want together."""

    def __bool__(self) -> bool:
        return bool(self._calls)

    def join(self, call: Call) -> None:
        """Stand at the end."""
        self._calls[call] = None
        self.samples += call.request.n

    def withdraw(self, call: Call) -> None:
        """Leave, from wherever in the line; nothing where it was served already."""
        if call in self._calls:
            del self._calls[call]
            self.samples -= call.request.n

    def fits(self, free: int) -> bool:
        """Whether there is a first call, and it wants no more than `free` completions."""
        return bool(self._calls) and next(iter(self._calls)).request.n <= free

    def take(self, free: int) -> list[Call]:
        """Let the first calls go that together want no more than `free` completions; none overtakes another."""
        taken = []
        while self.fits(free):
            call, _ = self._calls.popitem(last=False)
            free -= call.request.n
            taken.append(call)
        self.samples -= sum(call.request.n for call in taken)
        return taken

    def clear(self) -> None:
        """Send all away."""
        self._calls.clear()
        self.samples = 0
