"""Plans: the simulator is fast and names what fails, unified-planning is the authority, and the two agree."""

import random
import warnings
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.tasks import TASKS
from marco_dag.tasks.planbench import Action, PlanCheck, parse_problem, render_plan, simulate, validate
from marco_dag.tasks.planbench.domain import OPERATORS
from marco_dag.tasks.planbench.generation import generate_problem
from tests.benchmark_samples import sample_file
from tests.tasks.planbench_samples import MUTATIONS, Plan, gold_plan, plan_for, rows

TOWER = """(define (problem BW-rand-3) (:domain blocksworld-4ops) (:objects a b c)
(:init (handempty) (ontable a) (on b a) (ontable c) (clear b) (clear c)) (:goal (and (on a b) (on b c))))"""
HELD = """(define (problem BW-rand-2) (:domain blocksworld-4ops) (:objects a b)
(:init (holding a) (ontable b) (clear b)) (:goal (and (handempty) (ontable a) (clear a) (clear b))))"""


def steps(text: str) -> Plan:
    """`unstack b a; pick-up c` as a plan."""
    parts = (step.split() for step in text.split(";") if step.strip())
    return tuple(Action(operator, tuple(blocks)) for operator, *blocks in parts)


def assert_agreement(problem: str, plan: Plan) -> PlanCheck:
    """The simulator says what the authority says, down to the step that fails; returns what they say."""
    mine, its = simulate(parse_problem(problem), plan), validate(problem, plan)
    assert (mine.is_valid, mine.failed_step) == (its.is_valid, its.failed_step), (problem, plan, mine, its)
    return mine


@pytest.mark.parametrize(
    ("plan", "failed_step", "reason"),
    [
        ("unstack b a; stack b c; pick-up a; stack a b", None, "the plan is valid and reaches the goal"),
        ("unstack b a; put-down b; pick-up b; stack b c; pick-up a; stack a b", None, "the plan is valid"),
        ("unstack b a; stack b c; pick-up a; stack a b; unstack a b", None, "the plan ends without (on a b)"),
        ("", None, "the plan ends without (on a b), (on b c)"),
        ("pick-up a", 1, "step 1 (pick-up a): a is not clear"),
        ("pick-up b", 1, "step 1 (pick-up b): b is not on the table"),
        ("put-down b", 1, "step 1 (put-down b): b is not held"),
        ("stack c b", 1, "step 1 (stack c b): c is not held"),
        ("unstack c a", 1, "step 1 (unstack c a): c is not on a"),
        ("unstack b a; unstack b a", 2, "step 2 (unstack b a): the hand is not empty"),
        ("unstack b a; pick-up c", 2, "step 2 (pick-up c): the hand is not empty"),
        ("pick-up c; stack c a", 2, "step 2 (stack c a): a is not clear"),
        ("pick-up c; stack c c", 2, "step 2 (stack c c): c is not clear"),
        ("pick-up c; stack c b; unstack b a", 3, "step 3 (unstack b a): b is not clear"),
        ("unstack b a; stack b c; fly a b", 3, "step 3 (fly a b): there is no action 'fly'"),
        ("unstack b a; stack b purple", 2, "step 2 (stack b purple): there is no block 'purple'"),
        ("unstack b a; stack b", 2, "step 2 (stack b): stack takes two blocks, not 1"),
        ("pick-up c b", 1, "step 1 (pick-up c b): pick-up takes one block, not 2"),
    ],
)
def test_the_first_step_that_cannot_be_taken_is_named_with_what_is_missing(
    plan: str, failed_step: int | None, reason: str
) -> None:
    check = assert_agreement(TOWER, steps(plan))
    assert check.failed_step == failed_step
    assert check.reason.startswith(reason)


@pytest.mark.parametrize(("plan", "is_valid"), [("put-down a", True), ("stack a b", False), ("", False)])
def test_a_block_may_be_held_at_first(plan: str, is_valid: bool) -> None:
    assert assert_agreement(HELD, steps(plan)).is_valid == is_valid


def test_every_plan_of_up_to_three_steps_is_judged_as_by_the_authority() -> None:
    """From the tower, whatever is tried: the verdict after each prefix is known before a longer plan is tried."""
    actions = [
        Action(operator, blocks) for operator, count in OPERATORS.items() for blocks in product("abc", repeat=count)
    ]
    plans: list[Plan] = [()]
    tried = 0
    for _ in range(3):
        extended: list[Plan] = []
        for plan in plans:
            for action in actions:
                tried += 1
                if assert_agreement(TOWER, (*plan, action)).failed_step is None:
                    extended.append((*plan, action))
        plans = extended
    assert tried > 150
    assert len(plans) >= 6


@given(st.integers(0, 2**32), st.lists(st.integers(0, len(MUTATIONS) - 1), max_size=3))
def test_a_plan_is_judged_the_same_however_it_is_told(seed: int, mutations: list[int]) -> None:
    rng = random.Random(seed)
    text = generate_problem(rng)
    problem = parse_problem(text)
    plan = plan_for(problem)
    assert simulate(problem, plan).is_valid
    for mutation in mutations:
        if len(plan) > 1:
            plan = tuple(MUTATIONS[mutation](plan, rng, problem))
    told = "\n".join(map(str, plan))
    verdict = TASKS["planbench"].verify(told, {"problem": text})
    assert (verdict.outcome == "correct") == simulate(problem, plan).is_valid
    assert verdict.answer == (told or None)
    if all(len(action.blocks) == OPERATORS.get(action.operator) for action in plan):
        again = TASKS["planbench"].verify(render_plan(plan), {"problem": text})
        assert again == verdict


@pytest.mark.slow
def test_mutated_plans_for_generated_problems_are_judged_as_by_the_authority() -> None:
    rng = random.Random(0)
    judged: Counter[str] = Counter()
    for _ in range(30):
        text = generate_problem(rng)
        problem = parse_problem(text)
        plan = plan_for(problem)
        assert assert_agreement(text, plan).is_valid
        for mutate in MUTATIONS * 5:
            mutated = tuple(mutate(plan, rng, problem))
            judged[_kind(assert_agreement(text, mutated))] += 1
    assert sum(judged.values()) == 1200
    assert min(judged["valid"], judged["step"], judged["goal"]) > 50, judged


@pytest.mark.slow
@pytest.mark.parametrize("name", ["blocksworld", "blocksworld_3"])
def test_gold_plans_are_right_and_mutated_ones_are_judged_as_by_the_authority(name: str) -> None:
    """The published plans of every sample problem in four notations, and two mutations of each."""
    rng = random.Random(1)
    for row in rows(sample_file(f"blocksworld/{name}.jsonl")):
        text, plan = row["problem_pddl"], gold_plan(row)
        problem = parse_problem(text)
        assert assert_agreement(text, plan).is_valid
        told = ("\n".join(row["ground_truth_plan_pddl"]), row["ground_truth_plan"], render_plan(plan))
        for response in (*told, f"{told[2]}\n[PLAN END]\n\n[STATEMENT]\nAs initial conditions I have that, "):
            verdict = TASKS["planbench"].verify(response, {"problem": text})
            assert (verdict.outcome, verdict.answer) == ("correct", told[0])
        for mutate in rng.sample(MUTATIONS, 2):
            mutated = tuple(mutate(plan, rng, problem))
            check = assert_agreement(text, mutated)
            verdict = TASKS["planbench"].verify("\n".join(map(str, mutated)), {"problem": text})
            assert (verdict.outcome == "correct") == check.is_valid


def test_the_authority_prints_nothing_and_warns_of_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert validate(TOWER.upper().replace("BW-RAND", "bw"), steps("unstack b a; stack b c; pick-up a; stack a b"))
    assert capfd.readouterr() == ("", "")


def _kind(check: PlanCheck) -> str:
    if check.is_valid:
        return "valid"
    return "step" if check.failed_step else "goal"
