"""PlanBench's Blocksworld, task 1: plan generation (Valmeekam et al. 2023, arXiv 2206.10498).

Reads the published `task_1_plan_generation.json`, whose rows hold the whole query and name an instance, and rows that
hold the problem themselves (`problem_pddl`). Any plan that reaches the goal is right; the published one is an example.
"""

import re
from pathlib import Path

from marco_dag.evaluation.benchmarks import fields
from marco_dag.evaluation.benchmarks.protocol import HubName, Item, Procedure, Row, RowError
from marco_dag.tasks.planbench import INTRODUCTION, Action, render_plan, statement_of
from marco_dag.tasks.planbench.domain import OPERATORS

_ASKED = "\n[STATEMENT]\n{question}\n\nMy plan is as follows:\n\n[PLAN]"
_STEP = re.compile(r"\(([^()]*)\)")
_INSTANCE = "instance-{}.pddl"
_FOLDERS = {"blocksworld": "generated_basic", "blocksworld_3": "generated_basic_3"}
"""PlanBench's name of a set of prompts → the folder of its instances."""


class PlanBench:
    """Greedy, one-shot: the introduction, the question before as a worked example, the statement, and `[PLAN]`.

    The published queries are that word for word. The problems behind them are looked for beside the file, and where
    PlanBench's own folders have them (`instances/blocksworld/generated_basic/` for `prompts/blocksworld/`).
    """

    name = "PlanBench"
    task = "planbench"
    hub = HubName("tasksource/planbench", "train", "task_1_plan_generation")
    procedure = Procedure(prompt=f"{INTRODUCTION}{{example}}{_ASKED}")

    def read(self, row: Row, folder: Path | None) -> Item:
        """RowError where the problem cannot be found or read, or its query states another."""
        problem = _problem(row, folder)
        try:
            statement = statement_of(problem)
        except ValueError as error:
            raise RowError("problem_pddl", str(error)) from error
        example = None
        if row.get("query") is not None:
            example, asked = _parts(fields.text(row, "query"))
            if asked != statement:
                raise RowError("query", "its statement is not that of the problem; are these the right instances?")
        key = fields.key(row, "id", "instance_id")
        return Item(key, (statement,), ({"problem": problem},), None, example, _worked(row, statement))


def _problem(row: Row, folder: Path | None) -> str:
    if row.get("problem_pddl") is not None:
        return fields.text(row, "problem_pddl")
    number = str(fields.present(row, "instance_id")[1])
    if not number.isdecimal() or folder is None:
        raise RowError("problem_pddl", "missing, and the instances lie beside no file: give PlanBench's own as source")
    places = [folder / _INSTANCE.format(number)]
    if instances := _FOLDERS.get(folder.name):
        places.append(folder.parents[1] / "instances" / "blocksworld" / instances / _INSTANCE.format(number))
    for place in places:
        if place.is_file():
            return place.read_text(errors="replace")
    raise RowError("instance_id", f"no {_INSTANCE.format(number)} beside the file, nor where PlanBench keeps it")


def _parts(query: str) -> tuple[str, str]:
    """The worked example and the statement of a published query."""
    head, _, statement = query.rpartition("\n[STATEMENT]\n")
    statement, plan, rest = statement.partition("\n\nMy plan is as follows:\n\n[PLAN]")
    if not head or not plan or rest.strip():
        raise RowError("query", "does not end with a statement and [PLAN]")
    return head.removeprefix(INTRODUCTION), statement


def _worked(row: Row, statement: str) -> str | None:
    """The row with its plan in words, as an example for another; None where it has no plan of the four operators."""
    plan = row.get("ground_truth_plan_pddl") or row.get("ground_truth_plan")
    lines = plan if isinstance(plan, list) else [str(plan or "")]
    steps = [step.split() for line in lines for step in _STEP.findall(str(line))]
    if not steps or any(OPERATORS.get(step[0] if step else "") != len(step) - 1 for step in steps):
        return None
    sentences = render_plan(Action(operator, tuple(blocks)) for operator, *blocks in steps)
    return f"{_ASKED.replace('{question}', statement)}\n{sentences}\n[PLAN END]\n"
