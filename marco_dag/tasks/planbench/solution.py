"""A plan for any problem, by way of the table: for worked examples, tests and measurements. No check needs it."""

from marco_dag.tasks.planbench.domain import Action
from marco_dag.tasks.planbench.problem import Problem


def plan_by_the_table(problem: Problem) -> tuple[Action, ...]:
    """A valid plan, seldom a short one: everything onto the table, then the goal's towers from below.

    At most 4n + 1 steps for n blocks, in time quadratic in n.
    """
    plan = [Action("put-down", fact[1:]) for fact in problem.init if fact[0] == "holding"]
    below = {fact[1]: fact[2] for fact in problem.init if fact[0] == "on"}
    while below:
        covered = {*below.values()}
        top = next(block for block in problem.blocks if block in below and block not in covered)
        plan += [Action("unstack", (top, below.pop(top))), Action("put-down", (top,))]
    wanted = {fact[1]: fact[2] for fact in problem.goal if fact[0] == "on"}
    while wanted:
        lowest = next(block for block in problem.blocks if block in wanted and wanted[block] not in wanted)
        plan += [Action("pick-up", (lowest,)), Action("stack", (lowest, wanted.pop(lowest)))]
    return (*plan, *(Action("pick-up", fact[1:]) for fact in problem.goal if fact[0] == "holding"))
