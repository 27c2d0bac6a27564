"""What a response states: a plan in PDDL or in PlanBench's words, amid text that is neither."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.tasks import TASKS, Reference
from marco_dag.tasks.planbench import Action, parse_problem, read_plan, render_plan

PROBLEM = """(define (problem BW-rand-3) (:domain blocksworld-4ops) (:objects a b c)
(:init (handempty) (ontable a) (on b a) (ontable c) (clear b) (clear c)) (:goal (and (on a b) (on b c))))"""
NAMES = parse_problem(PROBLEM).names
REFERENCE: Reference = {"problem": PROBLEM}
PLAN = (
    Action("unstack", ("b", "a")),
    Action("stack", ("b", "c")),
    Action("pick-up", ("a",)),
    Action("stack", ("a", "b")),
)
PDDL = "(unstack b a)\n(stack b c)\n(pick-up a)\n(stack a b)"
WORDS = render_plan(PLAN)


def test_planbench_words() -> None:
    assert WORDS == (
        "unstack the blue block from on top of the red block\n"
        "stack the blue block on top of the orange block\n"
        "pick up the red block\n"
        "stack the red block on top of the blue block"
    )


@pytest.mark.parametrize(
    "text",
    [
        PDDL,
        WORDS,
        PDDL.upper(),
        WORDS.title(),
        "(unstack blue red)\n(stack blue orange)\n(pick-up red)\n(stack red blue)",
        PDDL.replace("\n", " "),
        PDDL.replace("\n", ""),
        "0: (unstack b a)\n1: (stack b c)\n2: (pick-up a)\n3: (stack a b)",
        "0.000: (unstack b a)  [0.001]\n0.001: (stack b c)\n0.002: (pick-up a)\n0.003: (stack a b)\n; cost = 4",
        "( unstack  b\ta )\r\n(stack, b, c)\r\n(pick_up a)\r\n(stack a b)",
        "unstack b a\nstack b c\npick-up a\nstack a b",
        "Unstack B from A.\nStack B on C.\nPick up A.\nStack A onto B.",
        "unstack block b from block a\nstack block b on block c\npickup block a\nstack block a on block b",
        "unstack the b block from the a block\nstack a blue block on an orange block\npick up a\nstack a on b",
        f"[PLAN]\n{WORDS}\n[PLAN END]\n",
        f"\n{WORDS}\n[PLAN END]\n\n[STATEMENT]\nAs initial conditions…\n\n[PLAN]\n(pick-up c)\n",
        f"\n{WORDS}\n\n[STATEMENT]\nAs initial conditions…\n\n[PLAN]\npick up the orange block\n[PLAN END]",
        f"I will pick up things.\nPick up where we left off.\n[plan]\n{WORDS}\n[plan end]\nPick up the orange block.",
        f"[STATEMENT]\nAs initial conditions I have that, …\n\nMy plan is as follows:\n\n[PLAN]\n{WORDS}\n",
        f"Sure! Here is the plan:\n\n```pddl\n{PDDL}\n```\nThis stacks the red block on the blue one.",
        "\n".join(f"{number}. {line}." for number, line in enumerate(WORDS.split("\n"), start=1)),
        "\n".join(f"Step {number}: **{line}**  " for number, line in enumerate(WORDS.split("\n"), start=1)),
        "\n".join(f"- Action: `{line}`" for line in WORDS.split("\n")),
        "\n".join(f"• {line} (the hand now holds the orange block, more or less)" for line in WORDS.split("\n")),
        "\n".join(f"({number}) {line}" for number, line in enumerate(WORDS.split("\n"), start=1)),
        "1. **Unstack** the blue block from the red block.\n2. **Stack** it: the blue block goes on the orange block.\n"
        "   Stack the blue block on the orange block.\n3. **Pick up** the red block from the table.\n"
        "4. **Stack** the red block back on top of the blue block.",
        "First, unstack blue from red, then stack blue on orange; next pick up red and stack red on blue. Done.",
        "1. (unstack b a) – Unstack the blue block from the red.\n2. Stack the blue block on orange: (stack b c)\n"
        "3. Pick up the red block.\n   (pick-up a)\n4. (stack a b)",
        f"1. pick up orange\n2. put down orange\n\nShorter:\n\n1. {WORDS.replace(chr(10), '; ')}",
        f"I need to think. To pick up the orange block, it must be clear.\n\n{WORDS}\n\nThis unstacks one block.",
        "Pick up a block\nUnstack a block from on top of another block\nPut down a block\n"
        f"Stack a block on top of another block\nStack them in order:\nUnstack the tower:\n{WORDS}",
        WORDS.replace("unstack", "un\u00adsta\u200bck").replace("pick up", "\u202epick\u2011up\u202c"),
        f"➡️ {PDDL}".replace("\n", "\n✅ "),
    ],
)
def test_a_stated_plan_is_read_whatever_stands_around_it(text: str) -> None:
    assert read_plan(text, NAMES) == PLAN
    for response in (text, f"<thinking>(pick-up c)</thinking><answer>The answer is: {text}</answer>"):
        verdict = TASKS["planbench"].verify(response, REFERENCE)
        assert (verdict.outcome, verdict.answer) == ("correct", PDDL)


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("pick up the purple block", "(pick-up purple)"),
        ("pick up purple.", "(pick-up purple)"),
        ("(pick-up q)", "(pick-up q)"),
        ("(stack a)", "(stack a)"),
        ("(pick-up a b)", "(pick-up a b)"),
        ("(stack a b c)", "(stack a b c)"),
        ("(pick-up)", "(pick-up)"),
        ("(fly a b)", "(fly a b)"),
        ("3. (slide x)", "(slide x)"),
        ("unstack the blue block from the table", "(unstack b table)"),
        ("stack the red block", "(stack a)"),
        ("stack red on purple", "(stack a purple)"),
        ("put down the red block on top of the blue block", "(put-down a b)"),
        ("pick up the yellow block", "(pick-up yellow)"),
        ("pick up d", "(pick-up d)"),
    ],
)
def test_a_step_that_no_problem_allows_is_a_step_all_the_same(line: str, step: str) -> None:
    plan = read_plan(f"{line}\n{PDDL}", NAMES)
    assert plan is not None
    assert [str(action) for action in plan] == [step, *PDDL.split("\n")]
    assert TASKS["planbench"].verify(f"{line}\n{PDDL}", REFERENCE).outcome == "wrong"


@pytest.mark.parametrize(
    "text",
    [
        "85",
        "The goal cannot be reached.",
        "I would pick up the red block and stack it.",
        "Pick up a block and put it down.",
        "Move the red block onto the blue block.",
        "hebe den roten Block auf und lege ihn auf den blauen",
        "拿起红色的积木，放在蓝色的积木上",
        "ارفع المكعب الأحمر وضعه على الأزرق",
        "(the hand is empty)",
        "()",
        "[PLAN]\nnothing to do\n[PLAN END]\n(pick-up c)",
        "[STATEMENT]",
        "picking up the red block",
        "unstacked b from a",
        "put down the block",
    ],
)
def test_without_an_action_there_is_no_answer(text: str) -> None:
    assert read_plan(text, NAMES) is None
    verdict = TASKS["planbench"].verify(text, REFERENCE)
    assert (verdict.outcome, verdict.reason, verdict.answer) == ("no_answer", "no action is stated", None)


@pytest.mark.parametrize("response", ["<answer></answer>", "<answer>The answer is:</answer>", "[PLAN]\n\n[PLAN END]"])
def test_an_empty_plan_is_right_where_the_goal_holds_from_the_first(response: str) -> None:
    done: Reference = {"problem": PROBLEM.replace("(and (on a b) (on b c))", "(on b a)")}
    assert TASKS["planbench"].verify(response, done).outcome == "correct"
    assert TASKS["planbench"].verify(response, REFERENCE).outcome == "no_answer"
    assert TASKS["planbench"].verify("It is done already.", done).outcome == "no_answer"


def test_the_last_of_several_lists_counts_and_the_first_of_several_sections() -> None:
    other = "1. pick up the orange block\n2. put down the orange block"
    mine = "\n".join(f"{number}. {line}" for number, line in enumerate(WORDS.split("\n"), start=1))
    assert read_plan(f"{other}\nor rather\n{mine}", NAMES) == PLAN
    assert read_plan(f"[PLAN]\n{mine}\n[PLAN END]\nor rather\n[PLAN]\n{other}\n[PLAN END]", NAMES) == PLAN


def test_a_step_said_twice_in_one_notation_is_two_steps() -> None:
    assert read_plan("(pick-up c) (pick-up c)", NAMES) == (Action("pick-up", ("c",)),) * 2
    assert read_plan("pick up c\npick up c", NAMES) == (Action("pick-up", ("c",)),) * 2


@given(
    st.lists(
        st.sampled_from(
            ["(", ")", "[plan]", "[plan end]", "\n", " ", "the ", "a ", "red ", "block ", "on ", "1. ", "\u200f"]
        )
        | st.sampled_from(["unstack ", "stack ", "pick up ", "(pick-up ", "put down "])
        | st.text(max_size=4)
    ).map("".join)
)
def test_any_text_gets_a_verdict(text: str) -> None:
    verdict = TASKS["planbench"].verify(text, REFERENCE)
    assert (verdict.answer is None) == (verdict.outcome == "no_answer")
    assert verdict.reason.isprintable()
    assert len(verdict.reason) < 400


@pytest.mark.parametrize(
    "unit",
    [
        "(", ")", "(a ", "(unstack ", "(unstack a ", "(stack b a", "(unstack b a)", "((((pick-up a))))", "(1",
        "[plan]", "[plan]\n[plan end]", "[statement]",
        "pick up ", "pick up a ", "pick up the ", "stack a on ", "stack a on the ", "stack block block ", "a block ",
        "unstack a block from a ", "unstack b a\n", "pick up a\n1. pick up a\n",
        "1", "1.", "1. ", "**", "then ", "step step ",
        "\n", "\r", " ", "\t", "_", "-", "\u202e", "\u200b", "\ud800", "é", "İ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("wrap", ["{}", "(pick-up c) {}", "pick up the red block on {}", "[PLAN]{}[PLAN END]"])
def test_200_000_characters_cost_little(unit: str, wrap: str) -> None:
    response = wrap.format(unit * (200_000 // len(unit)))
    start = time.process_time()
    verdict = TASKS["planbench"].verify(response, REFERENCE)
    assert time.process_time() - start < 1
    assert len(verdict.reason) < 400
