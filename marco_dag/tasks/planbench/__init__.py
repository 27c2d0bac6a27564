"""Blocksworld as PlanBench asks it: problems in PDDL, told in English, and plans checked step by step.

`simulate` is the check of the search, `validate` the authority that it must agree with. Nothing here looks for a plan.
"""

from marco_dag.tasks.planbench.domain import Action
from marco_dag.tasks.planbench.problem import Problem, parse_problem
from marco_dag.tasks.planbench.reading import read_plan
from marco_dag.tasks.planbench.simulator import PlanCheck, simulate
from marco_dag.tasks.planbench.task import PlanBenchTask
from marco_dag.tasks.planbench.validator import validate
from marco_dag.tasks.planbench.wording import (
    INTRODUCTION,
    one_shot_prompt,
    render_plan,
    statement_of,
    zero_shot_prompt,
)

__all__ = [
    "INTRODUCTION",
    "Action",
    "PlanBenchTask",
    "PlanCheck",
    "Problem",
    "one_shot_prompt",
    "parse_problem",
    "read_plan",
    "render_plan",
    "simulate",
    "statement_of",
    "validate",
    "zero_shot_prompt",
]
