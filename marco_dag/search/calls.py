"""What a tree asks of the world outside it: completions and verdicts.

A search calls no engine and no verifier but through these, so that whoever grows the tree can remember every answer
(`marco_dag.search.journal`) and, after a crash, give it again.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from marco_dag.engines.protocol import Completion, Role, RoleEngines
from marco_dag.errors import EngineError
from marco_dag.search.prompts import Ask
from marco_dag.tasks import voting
from marco_dag.tasks.protocol import Reference, SlowTask, Task, Verdict


class Calls(Protocol):
    """The calls of one tree."""

    def model_digest(self, role: Role) -> str:
        """What identifies the model that plays `role`."""
        ...

    async def complete(self, asks: Sequence[Ask]) -> list[Sequence[Completion]]:
        """The completions of each ask, all in flight together, in their order.

        EngineError of the first ask that failed, once none is in flight any more.
        """
        ...

    async def verify(self, answer_id: str, response: str) -> Verdict:
        """The task's verdict on a whole chain; `answer_id` names its last node within the tree."""
        ...

    def stated_answer(self, response: str) -> str | None:
        """The answer that a whole chain states; None where it states none. Nobody says whether it is right."""
        ...

    async def find_same(self, answer: str, others: Sequence[str]) -> int | None:
        """The place of the first of `others` that says the same as `answer`; None where none does."""
        ...


class DirectCalls:
    """Calls that go straight to the engines and to the task."""

    def __init__(self, engines: RoleEngines, task: Task, reference: Reference) -> None:
        self._engines = engines
        self._task = task
        self._slow_task = task if isinstance(task, SlowTask) else None
        self._reference = reference

    def model_digest(self, role: Role) -> str:
        """What identifies the model that plays `role`."""
        return self._engines[role].model_digest

    async def complete(self, asks: Sequence[Ask]) -> list[Sequence[Completion]]:
        """See `Calls.complete`."""
        if len(asks) == 1:
            results: list[Sequence[Completion] | BaseException] = [await self._ask(asks[0])]
        else:
            results = await asyncio.gather(*(self._ask(ask) for ask in asks), return_exceptions=True)
        answers: list[Sequence[Completion]] = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            answers.append(result)
        return answers

    async def verify(self, answer_id: str, response: str) -> Verdict:
        """See `Calls.verify`."""
        del answer_id
        if self._slow_task is not None:
            return await self._slow_task.verify_aside(response, self._reference)
        return self._task.verify(response, self._reference)

    def stated_answer(self, response: str) -> str | None:
        """See `Calls.stated_answer`."""
        return voting.stated_answer(self._task, response)

    async def find_same(self, answer: str, others: Sequence[str]) -> int | None:
        """See `Calls.find_same`."""
        if answer in others:
            return others.index(answer)
        return await asyncio.to_thread(voting.find_same, self._task, answer, others)

    async def _ask(self, ask: Ask) -> Sequence[Completion]:
        completions = await self._engines[ask.role].complete(ask.request)
        if len(completions) != ask.request.n:
            raise EngineError(f"the {ask.role} engine returned {len(completions)} completions for n = {ask.request.n}")
        return completions
