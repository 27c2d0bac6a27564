"""The authority on plans: unified-planning reads the problem and validates the plan. The simulator must agree with it.

Some milliseconds a plan, and seconds for the first import, so it stays out of the search loop.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from marco_dag.tasks.planbench.domain import DOMAIN_PDDL, Action
from marco_dag.tasks.planbench.simulator import PlanCheck

if TYPE_CHECKING:
    from unified_planning.io import PDDLReader
    from unified_planning.model import Problem as PlanningProblem
    from unified_planning.plans import ActionInstance


def validate(problem: str, plan: Sequence[Action]) -> PlanCheck:
    """What unified-planning's sequential validator says of a plan for a problem in PDDL; the reason is its own words.

    A step that names no operator or block of the problem ends the plan there. What `parse_problem` accepts can be read;
    anything else is unified-planning's own error.
    """
    # Called directly and not through the factory, so nothing is printed on behalf of the engines.
    from unified_planning.engines.plan_validator import SequentialPlanValidator
    from unified_planning.engines.results import FailedValidationReason, ValidationResultStatus
    from unified_planning.plans import SequentialPlan

    read = _read(problem)
    steps: list[ActionInstance] = []
    for action in plan:
        instance = _instance(read, action)
        if instance is None:
            break
        steps.append(instance)
    result = SequentialPlanValidator().validate(read, SequentialPlan(steps))
    said = "; ".join(entry.message for entry in result.log_messages or ())
    if result.reason == FailedValidationReason.INAPPLICABLE_ACTION:
        return PlanCheck(False, len(result.trace), said)
    if len(steps) < len(plan):
        return PlanCheck(False, len(steps) + 1, f"the problem has no such step: {plan[len(steps)]}")
    return PlanCheck(result.status == ValidationResultStatus.VALID, None, said)


def _instance(problem: "PlanningProblem", action: Action) -> "ActionInstance | None":
    from unified_planning.plans import ActionInstance

    if not problem.has_action(action.operator) or not all(map(problem.has_object, action.blocks)):
        return None
    operator = problem.action(action.operator)
    if len(operator.parameters) != len(action.blocks):
        return None
    return ActionInstance(operator, [problem.object(block) for block in action.blocks])


@lru_cache(maxsize=256)
def _read(problem: str) -> "PlanningProblem":
    """The problem as unified-planning reads it, in its one global environment: a private one breaks its grounder."""
    return _reader().parse_problem_string(DOMAIN_PDDL, problem)


@cache
def _reader() -> "PDDLReader":
    from unified_planning.io import PDDLReader

    return PDDLReader()
