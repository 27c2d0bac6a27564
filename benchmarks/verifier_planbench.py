"""What one check of a Blocksworld plan costs: by the simulator, from the response's text on, and by the authority.

The plans go by way of the table, 4 to 16 steps, and are told in PlanBench's words.
"""

import random
import time
from collections.abc import Callable

from benchmarks.figure import Figure
from marco_dag.tasks.planbench import PlanBenchTask, parse_problem, plan_by_the_table, render_plan, validate
from marco_dag.tasks.planbench.generation import generate_problem

_PROBLEMS = 200
_AUTHORITY_PROBLEMS = 20
_ROUNDS = 5


def measure() -> list[Figure]:
    """200 generated problems, five rounds: with the problem at hand, as in a search, and read for each check."""
    rng = random.Random(0)
    problems = [generate_problem(rng) for _ in range(_PROBLEMS)]
    plans = [plan_by_the_table(parse_problem(problem)) for problem in problems]
    told = [render_plan(plan) for plan in plans]
    task = PlanBenchTask()

    def check(number: int) -> None:
        verdict = task.verify(told[number], {"problem": problems[number]})
        assert verdict.outcome == "correct", verdict

    def check_afresh(number: int) -> None:
        parse_problem.cache_clear()
        check(number)

    def judge(number: int) -> None:
        assert validate(problems[number], plans[number]).is_valid

    for number in range(_AUTHORITY_PROBLEMS):
        judge(number)  # imports unified-planning and reads the problems
    return [
        Figure("verify.blocksworld_ms", "ms", _milliseconds(check, _PROBLEMS)),
        Figure("verify.blocksworld_afresh_ms", "ms", _milliseconds(check_afresh, _PROBLEMS)),
        Figure("verify.blocksworld_authority_ms", "ms", _milliseconds(judge, _AUTHORITY_PROBLEMS)),
    ]


def _milliseconds(check: Callable[[int], None], count: int) -> list[float]:
    """How long each check took, all of them five times over."""
    taken = []
    for _ in range(_ROUNDS):
        for number in range(count):
            start = time.perf_counter()
            check(number)
            taken.append((time.perf_counter() - start) * 1e3)
    return taken
