"""Questions in PlanBench's words: its prompts word for word, and problems drawn as it draws them."""

import random
from collections import Counter

import pytest

from marco_dag.tasks import GENERATING_TASKS, TASKS
from marco_dag.tasks.planbench import (
    INTRODUCTION,
    one_shot_prompt,
    parse_problem,
    plan_by_the_table,
    read_plan,
    render_plan,
    statement_of,
    zero_shot_prompt,
)
from marco_dag.tasks.planbench.generation import generate_problem, render_problem
from tests.benchmark_samples import sample_file
from tests.tasks.planbench_samples import rows

PROBLEM = """(define (problem BW-rand-3)
(:domain blocksworld-4ops)
(:objects a b c )
(:init
(handempty)
(ontable a)
(on b a)
(ontable c)
(clear b)
(clear c)
)
(:goal
(and
(on a c)
(on c b))
)
)
"""
STATEMENT = (
    "As initial conditions I have that, the blue block is clear, the orange block is clear, the hand is empty, "
    "the blue block is on top of the red block, the red block is on the table and the orange block is on the table.\n"
    "My goal is to have that the red block is on top of the orange block and the orange block is on top of the blue "
    "block."
)


def test_a_statement_tells_the_facts_in_alphabetical_order() -> None:
    assert statement_of(PROBLEM) == STATEMENT
    with pytest.raises(ValueError, match="problem: "):
        statement_of("(define)")


def test_blocks_without_a_colour_go_by_their_own_name() -> None:
    named = render_problem(("a", "zz"), {"a": "zz", "zz": None}, {"zz": "a"})
    assert "the red block is on top of the zz block" in statement_of(named)
    assert "the zz block is on the table" in statement_of(named)


def test_the_prompts_are_laid_out_as_in_planbench() -> None:
    assert zero_shot_prompt("S.") == (
        INTRODUCTION + "\n[STATEMENT]\nS.\n\nWhat is the plan to achieve my goal? Just give the actions in the plan."
    )
    assert one_shot_prompt("S.", example_statement="E.", example_plan="pick up the red block") == (
        INTRODUCTION + "\n[STATEMENT]\nE.\n\nMy plan is as follows:\n\n[PLAN]\npick up the red block\n[PLAN END]\n"
        "\n[STATEMENT]\nS.\n\nMy plan is as follows:\n\n[PLAN]"
    )


def test_the_introduction_is_planbenchs_own() -> None:
    assert sample_file("blocksworld/domain_intro.txt").read_text(encoding="utf-8") == INTRODUCTION


@pytest.mark.parametrize("name", ["blocksworld", "blocksworld_3"])
def test_the_worked_example_is_told_word_for_word(name: str) -> None:
    [example] = rows(sample_file(f"blocksworld/{name}_example.jsonl"))
    plan = read_plan(example["plan_text"], parse_problem(example["problem_pddl"]).names)
    assert plan is not None
    assert render_plan(plan) == example["plan_text"]
    assert TASKS["planbench"].verify(example["plan_text"], {"problem": example["problem_pddl"]}).outcome == "correct"


def test_a_question_is_a_problem_asked_without_an_example() -> None:
    question = GENERATING_TASKS["planbench"].generate(random.Random(0))
    assert question.prompt == zero_shot_prompt(statement_of(str(question.reference["problem"])))
    assert len(question.prompt) < 4000


def test_a_generated_problem_can_be_solved_and_is_not_solved_yet() -> None:
    rng = random.Random(0)
    for _ in range(500):
        text = generate_problem(rng)
        problem = parse_problem(text)
        assert not problem.goal <= problem.init
        assert {fact[0] for fact in problem.goal} == {"on"}
        verdict = TASKS["planbench"].verify(render_plan(plan_by_the_table(problem)), {"problem": text})
        assert verdict.outcome == "correct", (text, verdict)


def test_a_problem_is_written_out_in_the_order_of_its_blocks() -> None:
    assert render_problem("abc", {"a": None, "b": "a", "c": None}, {"c": "b", "a": "c"}) == PROBLEM


@pytest.mark.parametrize("name", ["blocksworld", "blocksworld_3"])
def test_problems_are_written_as_planbench_writes_them(name: str) -> None:
    for row in rows(sample_file(f"blocksworld/{name}.jsonl")):
        problem = parse_problem(row["problem_pddl"])
        init = {fact[1]: fact[2] if fact[0] == "on" else None for fact in problem.init if fact[0] in ("on", "ontable")}
        goal = {fact[1]: fact[2] for fact in problem.goal}
        assert render_problem(problem.blocks, init, goal) == row["problem_pddl"]


def test_every_size_and_every_state_is_equally_likely() -> None:
    rng = random.Random(0)
    problems = [parse_problem(generate_problem(rng)) for _ in range(6000)]
    sizes = Counter(len(problem.blocks) for problem in problems)
    assert sorted(sizes) == [3, 4, 5]
    assert all(abs(count - 2000) < 150 for count in sizes.values())
    states = Counter(problem.init for problem in problems if len(problem.blocks) == 3)
    assert len(states) == 13
    assert all(abs(count / sizes[3] - 1 / 13) < 0.025 for count in states.values())
