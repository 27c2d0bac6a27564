"""Several servers of one model as one engine: each call goes to the least loaded, a tree's calls to the same one.

A server keeps the keys and values of the prefixes it has seen, so a conversation stays where it began unless that
server has clearly more to do than another. One that is gone is left out; its calls go to the others.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence

from marco_dag.engines.protocol import Completion, Message, Request
from marco_dag.engines.server_engine import ServerEngine
from marco_dag.errors import EngineUnavailableError

_REMEMBERED = 65_536
"""Conversations whose server is remembered."""
_WORTH_MOVING = 0.5
"""How much more loaded its server must be than the least loaded one for a conversation to move."""


class ReplicatedEngine:
    """An Engine over replicas, at least one."""

    def __init__(self, replicas: Sequence[ServerEngine]) -> None:
        self._replicas = list(replicas)
        self._gone: dict[ServerEngine, EngineUnavailableError] = {}
        self._asked: Counter[ServerEngine] = Counter()
        """Completions that each is asked for and has not given yet."""
        self._home: OrderedDict[tuple[Message, ...], ServerEngine] = OrderedDict()

    @property
    def model_digest(self) -> str:
        """Of the checkpoint that all of them serve."""
        return self._replicas[0].model_digest

    @property
    def capacity(self) -> int:
        """That of the replicas that are still there, together."""
        return max(1, sum(replica.capacity for replica in self._here()))

    async def check(self, request: Request) -> None:
        """EngineError where one of them could not serve such a request: a replica that is missing is an error here."""
        for replica in self._replicas:
            await replica.check(request)

    async def complete(self, request: Request) -> Sequence[Completion]:
        """See `Engine.complete`; EngineUnavailableError once every replica is gone."""
        while here := self._here():
            replica = self._choose(request.messages, here)
            self._asked[replica] += request.n
            try:
                return await replica.complete(request)
            except EngineUnavailableError as error:
                self._gone[replica] = error
            finally:
                self._asked[replica] -= request.n
        raise EngineUnavailableError("; ".join(str(error) for error in self._gone.values()))

    async def close(self) -> None:
        """Close the connections to all of them."""
        for replica in self._replicas:
            await replica.close()

    def _here(self) -> list[ServerEngine]:
        return [replica for replica in self._replicas if replica not in self._gone]

    def _choose(self, conversation: tuple[Message, ...], here: Sequence[ServerEngine]) -> ServerEngine:
        idlest = min(here, key=self._load)
        home = self._home.get(conversation)
        if home is None or home in self._gone or self._load(home) > self._load(idlest) + _WORTH_MOVING:
            home = idlest
        self._home[conversation] = home
        self._home.move_to_end(conversation)
        if len(self._home) > _REMEMBERED:
            self._home.popitem(last=False)
        return home

    def _load(self, replica: ServerEngine) -> float:
        """Completions that are asked of it, as a share of what it bears at once."""
        return self._asked[replica] / replica.bears
