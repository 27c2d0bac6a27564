"""Answers as votes: what a response states and which answers are one, for any task and without any reference.

A task may know better than by text (`VotingTask`). `Blind` is a task with its reference taken away.
"""

from collections.abc import Sequence

from marco_dag.tasks.answers import same_words, stated_text
from marco_dag.tasks.protocol import Reference, Task, Verdict, VotingTask


def stated_answer(task: Task, response: str) -> str | None:
    """The answer that `response` states, by the task where it knows, else its last Answer block or all of its text."""
    return task.stated_answer(response) if isinstance(task, VotingTask) else stated_text(response)


def find_same(task: Task, answer: str, others: Sequence[str]) -> int | None:
    """The place of the first of `others` that says the same as `answer`; None where none does. It may take seconds.

    Answers of equal words are the same whatever the task; beyond that a `VotingTask` is asked.
    """
    by_words = (place for place, other in enumerate(others) if same_words(other, answer))
    if (place := next(by_words, None)) is not None or not isinstance(task, VotingTask):
        return place
    return next((place for place, other in enumerate(others) if task.same_answer(other, answer)), None)


def elect(task: Task, answers: Sequence[str | None], weights: Sequence[float] | None = None) -> int | None:
    """The place of the first of the answers that weigh most together; None where there is none.

    Each answer counts once, or as `weights` has it; None is no answer and has no vote. Of groups that weigh the same
    the one that came up first wins.
    """
    said: list[str] = []
    first: list[int] = []
    weight: list[float] = []
    for place, answer in enumerate(answers):
        if answer is None:
            continue
        group = find_same(task, answer, said)
        if group is None:
            group = len(said)
            said.append(answer)
            first.append(place)
            weight.append(0.0)
        weight[group] += 1.0 if weights is None else weights[place]
    return first[weight.index(max(weight))] if weight else None


class Blind:
    """A task that is asked without a reference: it reads answers and compares them, and can check none.

    For searches that must not know what is right: whatever holds it holds nothing to know it from.
    """

    def __init__(self, task: Task) -> None:
        self._task = task

    @property
    def name(self) -> str:
        """The task's own."""
        return self._task.name

    def check_reference(self, reference: Reference) -> None:
        """ValueError where there is one."""
        if reference:
            raise ValueError("a search that scores itself must be given none")

    def verify(self, response: str, reference: Reference) -> Verdict:  # noqa: ARG002
        """Nothing was checked: `no_answer`, whatever the response."""
        return Verdict("no_answer", "there is no reference to check it by")

    def stated_answer(self, response: str) -> str | None:
        """The task's own reading."""
        return stated_answer(self._task, response)

    def same_answer(self, first: str, second: str) -> bool:
        """The task's own judgement."""
        return find_same(self._task, second, [first]) is not None
