"""Problems in PDDL: what can be verified against is read, everything else is refused by name."""

import contextlib
import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.tasks import TASKS
from marco_dag.tasks.planbench import parse_problem, statement_of
from tests.benchmark_samples import sample_file
from tests.tasks.planbench_samples import rows

TOWER = """(define (problem BW-rand-3)
(:domain blocksworld-4ops)
(:objects a b c )
(:init
(handempty) (ontable a) (on b a) (ontable c) (clear b) (clear c)
)
(:goal
(and
(on c b))
)
)
"""


def tower(**sections: str) -> str:
    """The problem above with other text in some of its sections."""
    text = TOWER
    originals = {
        "domain": "blocksworld-4ops",
        "objects": "a b c ",
        "init": "(handempty) (ontable a) (on b a) (ontable c) (clear b) (clear c)",
        "goal": "(and\n(on c b))",
    }
    for name, replacement in sections.items():
        assert originals[name] in text
        text = text.replace(originals[name], replacement, 1)
    return text


def test_a_problem_is_its_blocks_its_first_state_and_its_goal() -> None:
    problem = parse_problem(TOWER)
    assert problem.blocks == ("a", "b", "c")
    assert problem.init == {
        ("handempty",), ("ontable", "a"), ("on", "b", "a"), ("ontable", "c"), ("clear", "b"), ("clear", "c"),
    }  # fmt: skip
    assert problem.goal == {("on", "c", "b")}
    assert problem.names == {"a": "a", "b": "b", "c": "c", "red": "a", "blue": "b", "orange": "c"}


def test_a_block_that_is_called_like_a_colour_keeps_its_name() -> None:
    names = parse_problem(re.sub(r"\bb\b", "red", TOWER)).names
    assert (names["red"], names["a"]) == ("red", "a")


@pytest.mark.parametrize(
    "text",
    [
        TOWER.upper(),
        TOWER.replace("\n", " "),
        f"; made by hand\n{TOWER.replace('(:init', '(:init ; at first')}",
        tower(goal="(on c b)"),
        tower(goal="(and (on c b) (on c b))"),
        TOWER.replace("(:objects", "(:requirements :strips)\n(:objects"),
    ],
)
def test_other_ways_to_write_the_same_problem_are_read_the_same(text: str) -> None:
    assert parse_problem(text) == parse_problem(TOWER)


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [
        ("(holding a)", "the hand is currently holding red block"),
        ("(and (ontable b) (handempty))", "the hand is empty and the blue block is on the table"),
        ("(and (clear c) (on b c) (clear b))", None),
    ],
)
def test_a_goal_may_hold_any_facts_that_can_be_true_together(goal: str, sentence: str | None) -> None:
    if sentence is None:
        with pytest.raises(ValueError, match=r"its :goal holds in no state: \(clear c\) and \(on b c\)"):
            parse_problem(tower(goal=goal))
    else:
        assert statement_of(tower(goal=goal)).endswith(f"My goal is to have that {sentence}.")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not one PDDL definition"),
        ("a b c", "is not one PDDL definition"),
        (TOWER + TOWER, "is not one PDDL definition"),
        ("(define)", r"does not begin with \(define \(problem NAME\)"),
        (TOWER.replace("problem", "domain"), r"does not begin with \(define \(problem NAME\)"),
        (TOWER.rstrip()[:-1], "leaves a parenthesis open"),
        (TOWER + ")", "closes a parenthesis that was never opened"),
        (tower(goal="(and (not (not (not (not (not (on c b)))))))"), "is nested more than 8 deep"),
        (tower(domain="logistics-strips"), r"its domain must be blocksworld-4ops, not '\(logistics-strips\)'"),
        (tower(objects="a b c d"), "its :init is no possible state: d is nowhere"),
        (tower(objects="a b c c"), "its :objects hold c twice"),
        (tower(objects="a b c - block"), "its :objects hold '-', which is no block's name"),
        (tower(objects="a b c clear"), "its :objects hold 'clear', which is no block's name"),
        (tower(objects="a b c " + "d" * 41), "which is no block's name"),
        (tower(goal="(and)"), "its :goal asks for nothing"),
        (tower(goal=""), r"its :goal is neither one fact nor \(and …\)"),
        (tower(goal="(or (on c b) (on b c))"), "which is no fact"),
        (tower(goal="(and (painted c))"), r"holds '\(painted c\)'; facts are \(clear X\), \(handempty\)"),
        (tower(goal="(and (on c))"), r"holds '\(on c\)'; facts are"),
        (tower(goal="(and ())"), "facts are"),
        (tower(goal="(and on c b)"), "holds 'on', which is no fact"),
        (tower(goal="(and (not (on c b)))"), "which is no fact"),
        (tower(goal="(and (on c z))"), "names 'z', which is none of its :objects"),
        (tower(goal="(and (on c c))"), "its :goal holds in no state: c stands on itself"),
        (tower(goal="(and (on a b) (on b c) (on c a))"), "stands on itself"),
        (tower(goal="(and (on a b) (on a c))"), r"holds in no state: \(on a b\) and \(on a c\)"),
        (tower(goal="(and (on a b) (on c b))"), r"holds in no state: \(on a b\) and \(on c b\)"),
        (tower(goal="(and (on a b) (ontable a))"), r"holds in no state: \(on a b\) and \(ontable a\)"),
        (tower(goal="(and (holding a) (holding b))"), "holds in no state"),
        (tower(goal="(and (holding a) (handempty))"), "holds in no state"),
        (tower(goal="(and (holding a) (on b a))"), "holds in no state"),
        (tower(goal="(and (holding a) (clear a))"), "holds in no state"),
        (tower(init="(handempty) (ontable a) (on b a) (clear b)"), "its :init is no possible state: c is nowhere"),
        (tower(init="(ontable a) (on b a) (ontable c) (clear b) (clear c)"), r"\(handempty\) is missing"),
        (tower(init="(handempty) (ontable a) (on b a) (ontable c) (clear b)"), r"\(clear c\) is missing"),
        (tower(init="(handempty) (ontable a) (on b a) (ontable c) (clear a) (clear b) (clear c)"), r"\(clear a\) and"),
        (tower(init="(handempty) (on a b) (on b a) (ontable c) (clear c)"), "stands on itself"),
        (TOWER.replace("(:objects a b c )\n", ""), "has no :objects section"),
        (TOWER.replace("(:objects a b c )\n", "(:objects a b c )\n" * 2), "has two :objects sections"),
        (TOWER.replace("(:objects a b c )\n", "").rstrip()[:-1] + "(:objects a b c))", "has its sections out of order"),
        (TOWER.replace("(:objects", "(:requirements :typing)\n(:objects"), "requires more than :strips"),
        (TOWER.replace("(:objects", "(:metric minimize (total-cost))\n(:objects"), "where one of :domain"),
        (TOWER.replace("(:objects", "objects (:objects"), "holds 'objects', where one of :domain"),
    ],
)
def test_a_problem_that_cannot_be_verified_against_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        TASKS["planbench"].check_reference({"problem": text})
    assert str(refused.value).startswith("problem: ")
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("value", [None, 7, ["a"], {"a": "b"}])
def test_a_problem_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="problem: must be a text"):
        TASKS["planbench"].check_reference({"problem": value})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="problem: must be a text"):
        TASKS["planbench"].check_reference({})


@given(st.text(alphabet="()abc :;\n\x00é") | st.lists(st.sampled_from(TOWER.split())).map(" ".join))
def test_any_text_is_a_problem_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_problem(text).goal


@pytest.mark.parametrize("unit", ["(", ")", "()", "(on a b)", "a ", ";", "\n", "\x00", "(define "])
def test_a_hostile_text_is_refused_at_once(unit: str) -> None:
    start = time.process_time()
    for length in (19_000, 200_000):
        with pytest.raises(ValueError, match=r"^problem: "):
            parse_problem(unit * (length // len(unit)))
    assert time.process_time() - start < 1


def test_the_longest_problem_is_still_read_fast() -> None:
    blocks = [f"b{number}" for number in range(300)]
    above = " ".join(f"(on {upper} {lower})" for lower, upper in itertools.pairwise(blocks))
    init = f"(handempty) (ontable b0) (clear b299) {above}"
    text = tower(objects=" ".join(blocks), init=init, goal="(and (on b0 b299))")
    start = time.process_time()
    assert len(parse_problem(text).init) == 302
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize("name", ["blocksworld", "blocksworld_3", "blocksworld_example", "blocksworld_3_example"])
def test_every_statement_of_planbench_is_told_word_for_word(name: str) -> None:
    for row in rows(sample_file(f"blocksworld/{name}.jsonl")):
        TASKS["planbench"].check_reference({"problem": row["problem_pddl"]})
        assert statement_of(row["problem_pddl"]) == row["statement"]
