"""What is asked, and the rule that checks an answer: the same check is the search's reward and the benchmark's score.

No check looks for a solution; worked solutions for the embedded models are in `marco_dag.miniature`.
"""

from collections.abc import Mapping

from marco_dag.errors import TaskError
from marco_dag.tasks.arithmetic import ArithmeticTask
from marco_dag.tasks.blocksworld import BlocksworldTask
from marco_dag.tasks.holdout import Split, generate_questions, is_held_out
from marco_dag.tasks.ifeval import IfEvalTask
from marco_dag.tasks.instructions import InstructionsTask
from marco_dag.tasks.letters import LettersTask
from marco_dag.tasks.math import MathTask
from marco_dag.tasks.planbench.task import PlanBenchTask
from marco_dag.tasks.protocol import GeneratingTask, Outcome, Question, Reference, SlowTask, Task, Verdict

GENERATING_TASKS: Mapping[str, GeneratingTask] = {
    task.name: task
    for task in (
        LettersTask(),
        ArithmeticTask(),
        BlocksworldTask(),
        InstructionsTask(),
        PlanBenchTask(),
        IfEvalTask(),
    )
}
"""Every registered task that makes questions of its own, by its name."""

TASKS: Mapping[str, Task] = {**GENERATING_TASKS, MathTask.name: MathTask()}
"""Every registered task by its name."""


def get_task(name: str) -> Task:
    """The task registered under `name`; TaskError lists the known names."""
    if name not in TASKS:
        raise TaskError(f"unknown task {name!r}; known: {', '.join(TASKS)}")
    return TASKS[name]


def get_generating_task(name: str) -> GeneratingTask:
    """The task registered under `name` that makes questions of its own; TaskError lists those that do."""
    if name not in GENERATING_TASKS:
        raise TaskError(f"no task {name!r} makes questions; those that do: {', '.join(GENERATING_TASKS)}")
    return GENERATING_TASKS[name]


__all__ = [
    "GENERATING_TASKS",
    "TASKS",
    "GeneratingTask",
    "Outcome",
    "Question",
    "Reference",
    "SlowTask",
    "Split",
    "Task",
    "Verdict",
    "generate_questions",
    "get_generating_task",
    "get_task",
    "is_held_out",
]
