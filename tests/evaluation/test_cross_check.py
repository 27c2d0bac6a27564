"""The same checkpoint, rows and prompt through lm-evaluation-harness and through us: the same text, the same verdicts.

Where the two disagree, it is for a reason that `docs/cross-check.md` explains, and for no other.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from marco_dag.engines import TransformersConfig, load_engine
from marco_dag.evaluation import BENCHMARKS, BenchmarkConfig, answer_benchmarks, load_benchmark
from marco_dag.tasks.ifeval import judge
from tests.benchmark_samples import sample_file
from tests.evaluation.memorizing_model import train_checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed"),
]

ROWS = 16
MAX_TOKENS = 48
LONGEST_PROMPT = 160
PROMPT = BENCHMARKS["GSM8K"].procedure.prompt

MATHEMATICS = [
    # what the model says; whether we, the harness's strict match and its flexible match take it for right
    ("So it is {gold}.\nThe answer is \\boxed{{{gold}}}.", True, False, True),
    ("The answer is \\boxed{{{wrong}}}.", False, False, False),
    ("That makes {gold}.\n#### {gold}", True, True, True),
    ("It is \\boxed{{{gold}}}, found in 3 steps.", True, False, False),
    ("It is \\boxed{{\\${gold}.00}}", True, False, False),
    ("\\boxed{{\\frac{{{double}}}{{2}}}}", True, False, False),
    ("I cannot tell.", False, False, False),
    ("Either 1 or \\boxed{{{gold}}}", True, False, True),
]
INSTRUCTIONS = [
    "yes. it is so, and it stays so. that is all there is to say about it",
    "**A title**\n\n* one thing\n* another thing\n\nP.S. That was it.",
    '{"answer": "It is so.", "sure": true}',
    "<<A title>>\n\nThe first part. Dr. Smith wrote it!\n\n***\n\nThe second part for [name].",
    "THIS IS ALL IN CAPITAL LETTERS. IT IS SHORT. IT ENDS HERE.",
    '"Everything here stands in quotation marks, e.g. this."',
    "My answer is yes.",
    "Section 1\nOne sentence. Two sentences? Three sentences!\nSection 2\nAnother one.",
]


@pytest.fixture(scope="module")
def rows():
    """Rows of GSM8K and IFEval with short prompts."""
    mathematics = [json.loads(line) for line in sample_file("gsm8k/test.jsonl").read_text().splitlines()]
    instructions = [json.loads(line) for line in sample_file("ifeval/ifeval.jsonl").read_text().splitlines()]
    return (
        [
            {"id": row["id"], "question": row["question"], "answer": row["solution"]}
            for row in mathematics
            if len(row["question"]) <= LONGEST_PROMPT
        ][:ROWS],
        [row for row in instructions if len(row["prompt"]) <= LONGEST_PROMPT][:ROWS],
    )


@pytest.fixture(scope="module")
def replay():
    """Every row of IFEval with each of the replies above, its own prompt, and two other rows' prompts as response."""
    rows = [json.loads(line) for line in sample_file("ifeval/ifeval.jsonl").read_text().splitlines()]
    prompts = [row["prompt"] for row in rows]
    return [
        {"row": row, "response": response}
        for i, row in enumerate(rows)
        for response in (
            *INSTRUCTIONS,
            row["prompt"],
            f"{prompts[(7 * i + 3) % len(rows)]}\n\n{prompts[(11 * i + 5) % len(rows)]}",
        )
    ]


@pytest.fixture(scope="module")
def checked(rows, replay, tmp_path_factory):
    """(our scores of GSM8K, of IFEval, the harness's answers) for one checkpoint."""
    folder = tmp_path_factory.mktemp("cross-check")
    mathematics, instructions = rows
    for name, some in (("gsm8k", mathematics), ("ifeval", instructions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    train_checkpoint(
        folder / "checkpoint", [*_mathematics_by_heart(mathematics), *_instructions_by_heart(instructions)]
    )
    (folder / "replay.json").write_text(json.dumps(replay))
    request = {
        "replay": str(folder / "replay.json"),
        "checkpoint": str(folder / "checkpoint"),
        "gsm8k": str(folder / "gsm8k.jsonl"),
        "ifeval": str(folder / "ifeval.jsonl"),
        "gsm8k_prompt": PROMPT.replace("{question}", "{{question}}"),
        "max_tokens": MAX_TOKENS,
        "punkt_text": "\n".join({entry["row"]["prompt"]: None for entry in replay}),
    }
    (folder / "request.json").write_text(json.dumps(request))
    program = Path(__file__).with_name("harness_program.py")
    done = subprocess.run([sys.executable, program, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    theirs = json.loads((folder / "answers.json").read_text())
    return *(_ours(folder, name) for name in ("GSM8K", "IFEval")), theirs


def _mathematics_by_heart(rows):
    for number, row in enumerate(rows):
        gold = int(row["answer"].split("####")[1].replace(",", ""))
        reply = MATHEMATICS[number % len(MATHEMATICS)][0].format(gold=gold, wrong=gold + 7, double=2 * gold)
        yield PROMPT.replace("{question}", row["question"]), reply


def _instructions_by_heart(rows):
    for number, row in enumerate(rows):
        yield row["prompt"], INSTRUCTIONS[number % len(INSTRUCTIONS)]


def _ours(folder, benchmark):
    config = BenchmarkConfig(source=f"{benchmark.lower()}.jsonl", max_tokens=MAX_TOKENS)
    read = load_benchmark(benchmark, config, root=folder)
    assert read.questions.height == ROWS
    engine = load_engine(folder / "checkpoint", TransformersConfig(device="cpu"))
    procedures = {benchmark: config.procedure(benchmark)}
    scores = answer_benchmarks(
        engine, read.questions, procedures, checkpoint="small", checkpoint_digest="small", seed=0
    )
    return scores.rows(named=True)


def test_the_model_says_the_same_to_both(checked):
    mathematics, instructions, theirs = checked
    assert [row["response"] for row in mathematics] == [row["response"] for row in theirs["gsm8k"]]
    assert [row["response"] for row in instructions] == [row["response"] for row in theirs["ifeval"]]


def test_the_model_learned_its_replies(checked, rows):
    said = {row["response"] for row in checked[1]}
    assert len(said & set(INSTRUCTIONS)) >= len(INSTRUCTIONS) - 1


def test_mathematics_is_judged_alike_but_for_what_each_takes_for_the_answer(checked, rows):
    mathematics, _, theirs = checked
    heart = [reply for _, reply in _mathematics_by_heart(rows[0])]
    found = {}
    for number, (ours, harness) in enumerate(zip(mathematics, theirs["gsm8k"], strict=True)):
        if ours["response"] == heart[number]:
            judged = (ours["correct"], harness["strict-match"], harness["flexible-extract"])
            found.setdefault(number % len(MATHEMATICS), set()).add(judged)
    assert len(found) >= len(MATHEMATICS) - 1
    assert found == {kind: {MATHEMATICS[kind][1:]} for kind in found}


def test_every_instruction_that_the_model_was_given_is_judged_alike(checked, rows):
    _, instructions, theirs = checked
    followed = 0
    for row, ours, harness in zip(rows[1], instructions, theirs["ifeval"], strict=True):
        details = json.loads(ours["details"])
        assert (details["strict"], details["loose"]) == (harness["strict"], harness["loose"]), (row, ours["response"])
        followed += sum(details["strict"])
    assert followed >= 3  # some are followed, or nothing would be shown


def test_the_checkers_disagree_about_sentences_and_about_letters_that_are_none_only(checked, replay):
    different = []
    judged = 0
    for entry, harness in zip(replay, checked[2]["replayed"], strict=True):
        row = entry["row"]
        ours = judge(entry["response"], {name: row[name] for name in ("instruction_id_list", "kwargs")})
        each = (ours.strict, harness["strict"], ours.loose, harness["loose"])
        for name, kwargs, *says in zip(row["instruction_id_list"], row["kwargs"], *each, strict=True):
            judged += 1
            if says[0] != says[1] or says[2] != says[3]:
                different.append((name, kwargs, entry["response"], says))
    unexplained = [
        found
        for found in different
        if found[0] != "length_constraints:number_sentences"
        and not (found[0] == "keywords:letter_frequency" and not found[1]["letter"].isalpha())
    ]
    assert unexplained == []
    assert len(different) < 0.005 * judged
