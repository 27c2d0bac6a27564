"""What is asked, and the rule that checks an answer: the same check is the search's reward and the benchmark's score.

This package does not solve its questions; worked solutions for the embedded models are in `marco_dag.miniature`.
"""

from collections.abc import Mapping

from marco_dag.errors import TaskError
from marco_dag.tasks.arithmetic import ArithmeticTask
from marco_dag.tasks.blocksworld import BlocksworldTask
from marco_dag.tasks.holdout import Split, generate_questions, is_held_out
from marco_dag.tasks.instructions import InstructionsTask
from marco_dag.tasks.letters import LettersTask
from marco_dag.tasks.protocol import Outcome, Question, Reference, Task, Verdict

TASKS: Mapping[str, Task] = {
    task.name: task for task in (LettersTask(), ArithmeticTask(), BlocksworldTask(), InstructionsTask())
}
"""Every registered task by its name."""


def get_task(name: str) -> Task:
    """The task registered under `name`; TaskError lists the known names."""
    if name not in TASKS:
        raise TaskError(f"unknown task {name!r}; known: {', '.join(TASKS)}")
    return TASKS[name]


__all__ = [
    "TASKS",
    "Outcome",
    "Question",
    "Reference",
    "Split",
    "Task",
    "Verdict",
    "generate_questions",
    "get_task",
    "is_held_out",
]
