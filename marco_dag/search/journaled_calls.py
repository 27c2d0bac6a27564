"""Calls that are remembered: what the journal holds is given again, what it does not hold is asked and written down."""

from collections.abc import Callable, Sequence

from marco_dag.engines.protocol import Completion, RoleEngines
from marco_dag.search.admission import Seat
from marco_dag.search.calls import DirectCalls
from marco_dag.search.journal import Journal
from marco_dag.search.prompts import Ask
from marco_dag.tasks.protocol import Reference, Task, Verdict


class JournaledCalls(DirectCalls):
    """The calls of one tree, each made once in the life of its journal."""

    def __init__(
        self,
        tree_id: str,
        engines: RoleEngines,
        task: Task,
        reference: Reference,
        *,
        journal: Journal,
        seat: Seat,
        on_sampled: Callable[[int], None],
    ) -> None:
        """`on_sampled` hears how many tokens each call sampled that was not recalled."""
        super().__init__(engines, task, reference)
        self._tree_id = tree_id
        self._journal = journal
        self._recalled = journal.recall(tree_id)
        self._seat = seat
        self._on_sampled = on_sampled

    async def complete(self, asks: Sequence[Ask]) -> list[Sequence[Completion]]:
        """See `Calls.complete`."""
        recalled = {ask.key: found for ask in asks if (found := self._recall(ask)) is not None}
        if not recalled:
            return await self._complete_anew(asks)
        missing = [ask for ask in asks if ask.key not in recalled]
        anew = await self._complete_anew(missing) if missing else []
        answers = recalled | {ask.key: answer for ask, answer in zip(missing, anew, strict=True)}
        return [answers[ask.key] for ask in asks]

    async def verify(self, answer_id: str, response: str) -> Verdict:
        """See `Calls.verify`."""
        verdict = self._recalled.verdicts.pop(answer_id, None)
        if verdict is None:
            verdict = await super().verify(answer_id, response)
            self._journal.append_verdict(self._tree_id, answer_id, verdict)
        return verdict

    def _recall(self, ask: Ask) -> Sequence[Completion] | None:
        found = self._recalled.calls.pop(ask.key, None)
        return found if found is not None and len(found) == ask.request.n else None

    async def _complete_anew(self, asks: Sequence[Ask]) -> list[Sequence[Completion]]:
        self._seat.take(asks)
        try:
            return await super().complete(asks)
        finally:
            self._seat.answered(asks)

    async def _ask(self, ask: Ask) -> Sequence[Completion]:
        completions = await super()._ask(ask)
        self._journal.append_call(self._tree_id, ask.key, completions)
        self._on_sampled(sum(completion.tokens for completion in completions))
        return completions
