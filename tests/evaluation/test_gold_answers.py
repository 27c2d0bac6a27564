"""The scorer on the published gold answers: from the file to the summary 100%, and 0% once they are perturbed.

An engine that knows the file answers in place of a model; everything else is what a model gets. IFEval and Multi-IF
have no gold: a few of their rows are answered by hand.
"""

import json

import polars as pl
import pytest

from marco_dag.engines import ScriptedEngine
from marco_dag.evaluation import BenchmarkConfig, answer_benchmarks, instruction_scores, load_benchmark, summarize
from marco_dag.tasks.planbench import Action, render_plan
from tests.benchmark_samples import sample_file


def run(benchmark, file, answer):
    """The scores of answers written by `answer(row of the file)`; the row is found by its question in the prompt."""
    path = sample_file(file)
    config = BenchmarkConfig(source=str(path), greedy=True, samples=0)
    read = load_benchmark(benchmark, config, root=path.parent)
    assert read.quarantine.is_empty()
    rows = {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}
    by_prompt = {
        json.loads(prompts)[0]: rows[key] for prompts, key in read.questions.select("prompts", "key").iter_rows()
    }
    engine = ScriptedEngine(lambda request, _: answer(by_prompt[request.messages[-1].content]))
    procedures = {benchmark: config.procedure(benchmark)}
    return answer_benchmarks(engine, read.questions, procedures, checkpoint="gold", checkpoint_digest="gold", seed=0)


def accuracy(scores):
    [rate] = summarize(scores, 0.95).filter(benchmark="all")["accuracy"]
    return rate


def boxed(answer):
    return f"Let me think.\nThe answer is \\boxed{{{answer}}}."


def chained(answer):
    return f"<thinking>Let me think.</thinking><answer>The answer is: \\boxed{{{answer}}}</answer>"


MATHEMATICS = {
    "gsm8k/test.jsonl": "GSM8K",
    "math/math500.jsonl": "MATH-500",
    "aime/aime2024.jsonl": "AIME",
    "aime/aime2022_2023.jsonl": "AIME",
    "aime/aime2025.jsonl": "AIME",
}


@pytest.mark.parametrize("written", [boxed, chained])
@pytest.mark.parametrize("file", MATHEMATICS)
def test_gold_answers_are_all_right(file, written):
    assert accuracy(run(MATHEMATICS[file], file, lambda row: written(row["answer"]))) == 1


@pytest.mark.parametrize("file", [file for file in MATHEMATICS if "math500" not in file])
def test_numbers_that_are_off_by_one_are_all_wrong(file):
    scores = run(MATHEMATICS[file], file, lambda row: boxed(float(row["answer"]) + 1))
    assert accuracy(scores) == 0
    assert scores["answered"].all()


def test_latex_answers_with_something_added_are_all_wrong():
    scores = run("MATH-500", "math/math500.jsonl", lambda row: boxed(f"{row['answer']} \\text{{ or }} 987654321"))
    assert accuracy(scores) == 0
    assert scores["answered"].all()


def test_published_solutions_are_read_as_models_answers_are():
    assert accuracy(run("MATH-500", "math/math500.jsonl", lambda row: row["solution"])) == 1


@pytest.mark.parametrize("file", ["blocksworld/blocksworld.jsonl", "blocksworld/blocksworld_3.jsonl"])
class TestPlanBench:
    def plan(self, row):
        actions = [step.strip("()").split() for step in row["ground_truth_plan_pddl"]]
        return [Action(operator, tuple(blocks)) for operator, *blocks in actions]

    def test_published_plans_are_all_right(self, file):
        assert accuracy(run("PlanBench", file, lambda row: f"{render_plan(self.plan(row))}\n[PLAN END]")) == 1

    def test_without_their_last_step_they_are_all_wrong(self, file):
        assert accuracy(run("PlanBench", file, lambda row: render_plan(self.plan(row)[:-1]))) == 0

    def test_each_is_asked_with_another_as_its_example(self, file):
        path = sample_file(file)
        read = load_benchmark("PlanBench", BenchmarkConfig(source=str(path)), root=path.parent)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for place, (prompts, question) in enumerate(read.questions.select("prompts", "question").iter_rows()):
            [prompt] = json.loads(prompts)
            assert question == rows[place]["statement"]
            assert prompt.endswith(f"\n[STATEMENT]\n{question}\n\nMy plan is as follows:\n\n[PLAN]")
            assert prompt.count(rows[place - 1]["statement"]) == 1
            assert prompt.count("[PLAN END]") == 1


IFEVAL = {
    "1508": "The forests at dawn\na riddle walks on soft paws\nthe lion is near",
    "2239": '"I threw my hatred into the burning fire."',
    "2314": "* Domino\n* Oreo\n* Pepper",
    "2395": '{"post": "Come to the market on Sunday"}',
    "3057": "<<Undo>>\nWhat takes you back to where you were?",
    "3753": "My answer is no.",
}
MULTI_IF = {
    "1019:15:en": [
        "what are the two young boys doing with their toy guns and horns?",
        "<<a question>>\nwhat are the two young boys doing with the horns?",
        '"<<a question>>\nwhat are the two young boys doing with the horns?"',
    ],
    "1051:10:en": [
        "dear friend, please go and vote this week.",
        "dear friend, it would be good of you to go and vote this week.",
        "dear friend, please go and vote.\n******\nmy dear friend, do go and vote this week.",
    ],
}


def converse(benchmark, file, replies):
    """The scores of rows answered by hand, `replies` by the row's key, one a turn."""
    path = sample_file(file)
    config = BenchmarkConfig(source=str(path))
    questions = load_benchmark(benchmark, config, root=path.parent).questions.filter(pl.col("key").is_in(list(replies)))
    assert questions.height == len(replies)
    keys = {json.loads(prompts)[0]: key for prompts, key in questions.select("prompts", "key").iter_rows()}
    engine = ScriptedEngine(
        lambda request, _: replies[keys[request.messages[0].content]][len(request.messages) // 2],
    )
    procedures = {benchmark: config.procedure(benchmark)}
    return answer_benchmarks(engine, questions, procedures, checkpoint="hand", checkpoint_digest="hand", seed=0)


@pytest.mark.parametrize(
    ("benchmark", "file", "replies"),
    [
        ("IFEval", "ifeval/ifeval.jsonl", {key: [reply] for key, reply in IFEVAL.items()}),
        ("Multi-IF", "multi_if/multi_if_english.jsonl", MULTI_IF),
    ],
    ids=["IFEval", "Multi-IF"],
)
def test_rows_answered_by_hand_follow_every_instruction_and_other_replies_none(benchmark, file, replies):
    scores = converse(benchmark, file, replies)
    turns = len(next(iter(replies.values())))
    assert accuracy(scores) == 1, scores["verdict"].to_list()
    table = instruction_scores(scores, 0.95)
    assert table["turn"].to_list() == ([None] if turns == 1 else [None, 1, 2, 3])
    assert table["languages"].unique().to_list() == ["en"]
    assert table["mean"].to_list() == [1] * table.height
    contrary = converse(benchmark, file, {key: ["NO WAY, NOT AT ALL"] * turns for key in replies})
    assert accuracy(contrary) == 0


def test_every_row_of_the_instruction_benchmarks_can_be_asked():
    for benchmark, file, rows in (
        ("IFEval", "ifeval/ifeval.jsonl", 379),
        ("Multi-IF", "multi_if/multi_if_english.jsonl", 628),
    ):
        path = sample_file(file)
        read = load_benchmark(benchmark, BenchmarkConfig(source=str(path)), root=path.parent)
        assert (read.questions.height, read.quarantine.to_dicts()) == (rows, [])
