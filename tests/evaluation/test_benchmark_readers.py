"""Each benchmark's published row, and the spellings of it that are about."""

import json

import pytest

from marco_dag.evaluation.benchmarks import BENCHMARKS, RowError
from marco_dag.tasks.planbench import INTRODUCTION

PROBLEM = """(define (problem BW-rand-2)
(:domain blocksworld-4ops)
(:objects a b )
(:init (handempty) (ontable a) (ontable b) (clear a) (clear b))
(:goal (and (on a b))))
"""
STATEMENT = (
    "As initial conditions I have that, the red block is clear, the blue block is clear, the hand is empty, the red "
    "block is on the table and the blue block is on the table.\n"
    "My goal is to have that the red block is on top of the blue block."
)
ASKED = f"\n[STATEMENT]\n{STATEMENT}\n\nMy plan is as follows:\n\n[PLAN]"
WORKED = f"{ASKED}\npick up the red block\nstack the red block on top of the blue block\n[PLAN END]\n"
QUERY = f"{INTRODUCTION}{WORKED}{ASKED}"


def read(name, row, folder=None):
    return BENCHMARKS[name].read(row, folder)


def gold(name, row):
    [reference] = read(name, row).references
    return reference["answer"]


class TestGsm8k:
    def test_the_answer_is_the_number_behind_the_four_signs(self):
        item = read("GSM8K", {"question": "How many?", "answer": "2+3=<<2+3=5>>5\nSo 1,234 it is.\n#### 1,234"})
        assert (item.turns, item.references) == (("How many?",), ({"answer": "1234"},))

    @pytest.mark.parametrize(("answer", "number"), [("18", "18"), (18, "18"), ("#### -3.50", "-3.50"), ("$70.", "70")])
    def test_or_the_number_alone(self, answer, number):
        assert gold("GSM8K", {"question": "How many?", "answer": answer}) == number

    @pytest.mark.parametrize("answer", ["many", "#### many", "#### 1 2", "", "١٢", "#### " + "9" * 10 + "x"])
    def test_anything_else_is_refused(self, answer):
        with pytest.raises(RowError, match="answer: no number"):
            read("GSM8K", {"question": "How many?", "answer": answer})


class TestMath500:
    def test_the_answer_is_latex(self):
        row = {"problem": "$x$?", "answer": r"\frac12", "subject": "Algebra", "level": 1, "unique_id": "test/1.json"}
        item = read("MATH-500", row)
        assert (item.key, item.turns, item.references) == ("test/1.json", ("$x$?",), ({"answer": r"\frac12"},))

    def test_a_row_without_an_answer_is_refused(self):
        with pytest.raises(RowError, match=r"answer: missing; the row has no 'answer', but problem, solution"):
            read("MATH-500", {"problem": "$x$?", "solution": "1"})


class TestAime:
    @pytest.mark.parametrize(
        "row",
        [
            {"id": 60, "problem": "Find $n$.", "answer": "033"},
            {"ID": "60", "Problem": "Find $n$.", "Answer": 33},
            {"id": 60, "question": "Find $n$.", "expected_answer": "33.0"},
        ],
    )
    def test_columns_are_spelled_in_several_ways(self, row):
        item = read("AIME", row)
        assert (item.key, item.turns, item.references) == ("60", ("Find $n$.",), ({"answer": "33"},))

    @pytest.mark.parametrize("answer", ["1000", "-1", "x", "1/2"])
    def test_the_answer_is_an_integer_up_to_999(self, answer):
        with pytest.raises(RowError, match="Answer: must be an integer from 0 to 999"):
            read("AIME", {"Problem": "Find $n$.", "Answer": answer})


class TestPlanBench:
    def test_the_published_query_is_taken_apart_and_put_together_again(self, tmp_path):
        (tmp_path / "instance-2.pddl").write_text(PROBLEM)
        item = read("PlanBench", {"instance_id": 2, "query": QUERY, "ground_truth_plan": "(pick-up red)\n"}, tmp_path)
        assert (item.key, item.turns, item.references) == ("2", (STATEMENT,), ({"problem": PROBLEM},))
        prompt = BENCHMARKS["PlanBench"].procedure.prompt
        assert prompt.replace("{example}", item.example).replace("{question}", STATEMENT) == QUERY

    def test_instances_are_found_where_planbench_keeps_them(self, tmp_path):
        prompts = tmp_path / "prompts" / "blocksworld_3"
        instances = tmp_path / "instances" / "blocksworld" / "generated_basic_3"
        prompts.mkdir(parents=True)
        instances.mkdir(parents=True)
        (instances / "instance-7.pddl").write_text(PROBLEM)
        assert read("PlanBench", {"instance_id": 7, "query": QUERY}, prompts).references == ({"problem": PROBLEM},)

    def test_a_row_may_hold_its_problem_and_is_then_worded_here(self):
        item = read("PlanBench", {"id": "x", "problem_pddl": PROBLEM, "ground_truth_plan_pddl": ["(pick-up a)"]})
        assert (item.turns, item.example) == ((STATEMENT,), None)

    @pytest.mark.parametrize("plan", [{"ground_truth_plan_pddl": ["(pick-up a)", "(stack a b)"]},
                                      {"ground_truth_plan": "(pick-up red)\n(stack red blue)\n"}])  # fmt: skip
    def test_its_plan_makes_it_an_example_for_another(self, plan):
        assert read("PlanBench", {"problem_pddl": PROBLEM, **plan}).worked == WORKED

    @pytest.mark.parametrize("plan", ["", "(fly a)", "(stack a)", "()"])
    def test_without_a_plan_it_is_none(self, plan):
        assert read("PlanBench", {"problem_pddl": PROBLEM, "ground_truth_plan": plan}).worked is None

    @pytest.mark.parametrize(
        ("row", "field"),
        [
            ({"instance_id": 3, "query": QUERY}, "instance_id"),
            ({"instance_id": "../../secret", "query": QUERY}, "problem_pddl"),
            ({"problem_pddl": "(define (domain x))"}, "problem_pddl"),
            ({"problem_pddl": PROBLEM, "query": "Build a tower."}, "query"),
            ({"problem_pddl": PROBLEM, "query": QUERY.replace("on top of the blue", "on top of the green")}, "query"),
        ],
    )
    def test_what_cannot_be_checked_is_refused(self, row, field, tmp_path):
        with pytest.raises(RowError) as caught:
            read("PlanBench", row, tmp_path)
        assert caught.value.field == field


FOLLOWED = {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}


class TestIfEval:
    def test_instructions_with_their_arguments(self):
        row = {"key": 1000, "prompt": "No commas! ", **FOLLOWED}
        assert read("IFEval", row).references == (FOLLOWED,)
        assert (read("IFEval", row).key, read("IFEval", row).turns) == ("1000", ("No commas! ",))

    def test_parquet_has_every_argument_in_every_row(self):
        row = {"key": 1, "prompt": "p", **FOLLOWED, "kwargs": [{"num_words": None, "relation": None}]}
        assert read("IFEval", row).references == (FOLLOWED,)

    @pytest.mark.parametrize(
        ("row", "field"),
        [
            ({"prompt": "p", "instruction_id_list": [], "kwargs": []}, "instruction_id_list"),
            ({"prompt": "p", "instruction_id_list": ["a", "b"], "kwargs": [{}]}, "kwargs"),
            ({"prompt": "p", "instruction_id_list": ["a"], "kwargs": [3]}, "kwargs"),
            ({"prompt": "p", "instruction_id_list": "[", "kwargs": "[]"}, "instruction_id_list"),
            ({"prompt": 3, **FOLLOWED}, "prompt"),
            (FOLLOWED, "prompt"),
        ],
    )
    def test_a_bad_row_names_its_field(self, row, field):
        with pytest.raises(RowError) as caught:
            read("IFEval", row)
        assert caught.value.field == field


class TestMultiIf:
    def published(self, turns=3, language="Chinese"):
        row = {"key": "1019:16:zh", "language": language}
        for turn in range(1, 4):
            there = turn <= turns
            row[f"turn_{turn}_prompt"] = json.dumps({"role": "user", "content": f"say {turn}"}) if there else ""
            row[f"turn_{turn}_instruction_id_list"] = json.dumps(["a:b"] * turn) if there else ""
            row[f"turn_{turn}_kwargs"] = json.dumps(['{"n": null, "m": 1}'] * turn) if there else ""
        return row

    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_published_columns(self, turns):
        item = read("Multi-IF", self.published(turns))
        assert (item.key, item.language) == ("1019:16:zh", "zh")
        assert item.turns == tuple(f"say {turn}" for turn in range(1, turns + 1))
        assert item.references == tuple(
            {"instruction_id_list": ["a:b"] * turn, "kwargs": [{"m": 1}] * turn, "language": "zh"}
            for turn in range(1, turns + 1)
        )

    def test_rows_with_a_list_of_turns(self):
        item = read("Multi-IF", {"key": "k", "language": "English", "turns": [{"prompt": "p", **FOLLOWED}]})
        assert (item.turns, item.references) == (("p",), ({**FOLLOWED, "language": "en"},))

    @pytest.mark.parametrize(
        ("row", "field"),
        [
            ({"language": "Klingon", "turns": [{"prompt": "p", **FOLLOWED}]}, "language"),
            ({"language": "English", "turns": []}, "turns"),
            ({"language": "English", "turns": [{"prompt": "p"}]}, "instruction_id_list"),
            ({"language": "English", "turn_1_prompt": '{"role"', "turn_1_kwargs": "[]"}, "turn_1_prompt"),
            ({"language": "English"}, "turns"),
        ],
    )
    def test_a_bad_row_names_its_field(self, row, field):
        with pytest.raises(RowError) as caught:
            read("Multi-IF", row)
        assert caught.value.field == field
