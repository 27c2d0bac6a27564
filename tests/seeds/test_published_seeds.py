"""Published training sets against published test sets: what is read, what is left out and why."""

import json
from pathlib import Path

import polars as pl
import pytest

from marco_dag.schemas import TABLES
from marco_dag.seeds import (
    Decontamination,
    SeedsConfig,
    SourceConfig,
    generated_seeds,
    question_texts,
    read_seed_file,
)
from marco_dag.seeds.reader import SeedFile
from marco_dag.seeds.screening import ScreenedSeeds, screen
from marco_dag.tasks.planbench import zero_shot_prompt
from tests.benchmark_samples import sample_file


def rows(file: Path) -> list[dict]:
    """The rows of a file; its texts hold separators of their own (U+2028), which `splitlines` would break at."""
    return [json.loads(line) for line in file.read_text().split("\n") if line]


def read(path: Path, **source: object) -> tuple[SeedFile, SeedsConfig]:
    config = SeedsConfig(sources={"train": SourceConfig.model_validate({"path": str(path), "task": "math", **source})})
    return read_seed_file(path, batch="train.1", config=config, source="train"), config


def against(found: SeedFile, config: SeedsConfig, benchmark: str, test: Path, column: str) -> ScreenedSeeds:
    questions = [
        {"benchmark": benchmark, "question_id": row["id"], "task": "math", "question": row[column], "prompts": "[]"}
        for row in rows(test)
    ]
    schema = TABLES["benchmark_questions"]
    asked = pl.DataFrame([dict.fromkeys(schema) | question for question in questions], schema=schema)
    texts = question_texts(TABLES["held_out_questions"].to_frame(), asked)
    return screen(found, {}, Decontamination(texts, config.decontamination))


@pytest.fixture(scope="module")
def gsm8k() -> tuple[SeedFile, SeedsConfig]:
    answer = {"column": "solution", "take": "after-hashes"}
    return read(sample_file("gsm8k/train.jsonl"), fields={"prompt": "question", "answer": answer})


def test_every_row_of_gsm8k_train_becomes_a_seed_with_the_number_behind_the_hashes(gsm8k):
    found, _ = gsm8k
    published = rows(sample_file("gsm8k/train.jsonl"))
    assert found.quarantine.is_empty()
    assert found.prompts["prompt"].to_list() == [row["question"].strip() for row in published]
    assert [json.loads(text)["answer"] for text in found.prompts["reference"]] == [row["answer"] for row in published]


def test_gsm8k_train_shares_three_seeds_worth_of_words_with_the_sample_of_its_test_set(gsm8k):
    screened = against(*gsm8k, "GSM8K", sample_file("gsm8k/test.jsonl"), "question")
    assert screened.prompts.height == 7470
    assert screened.quarantine["line"].to_list() == screened.overlaps["line"].to_list() == [407, 1315, 5163]
    assert set(screened.overlaps["match"]) == {"n-gram"}
    assert screened.overlaps["overlap"][0].startswith("the first movie is 1 hour and 30 minutes long")


def test_the_test_set_itself_is_dropped_whole_whoever_brings_it():
    test = sample_file("gsm8k/test.jsonl")
    screened = against(*read(test, fields={"prompt": "question", "answer": "answer"}), "GSM8K", test, "question")
    assert (screened.prompts.height, screened.contaminated) == (0, 923)
    assert set(screened.overlaps["match"]) == {"equal"}


def test_math_train_loses_what_has_no_answer_and_what_math_500_asks_in_part(tmp_path):
    # A tenth of the set, with its two rows without an answer: reading all 7,474 answers takes half a minute.
    lines = [json.dumps(row) for row in rows(sample_file("math/train.jsonl"))]
    file = tmp_path / "train.jsonl"
    file.write_text("\n".join([*lines[::10], *(line for line in lines if json.loads(line)["answer"] is None)]))
    found, config = read(file, fields={"prompt": "problem", "answer": "answer"})
    missing = found.quarantine.filter(reason="missing").select("field", "raw").rows()
    assert [(field, json.loads(raw)["id"]) for field, raw in missing] == [
        ("answer", "math-train-886"),
        ("answer", "math-train-1009"),
    ]
    screened = against(found, config, "MATH-500", sample_file("math/math500.jsonl"), "problem")
    assert found.prompts.height + found.quarantine.height == len(lines[::10]) + 2
    assert screened.contaminated > 0
    assert set(screened.overlaps["match"]) == {"n-gram"}, "MATH-500 is no part of MATH's training split"
    assert screened.prompts.height == found.prompts.height - screened.contaminated


def test_a_generated_problem_is_dropped_exactly_where_planbench_asks_it():
    statements = [row["statement"] for row in rows(sample_file("blocksworld/blocksworld.jsonl"))]
    schema = TABLES["benchmark_questions"]
    asked = [
        {"benchmark": "PlanBench", "question_id": f"q{n}", "task": "planbench", "question": text, "prompts": "[]"}
        for n, text in enumerate(statements)
    ]
    questions = pl.DataFrame([dict.fromkeys(schema) | row for row in asked], schema=schema)
    config = SeedsConfig(tasks=("planbench",), generated_per_task=300)
    generated = generated_seeds(config, seed=0, batch="generated")
    texts = question_texts(TABLES["held_out_questions"].to_frame(), questions)
    found = Decontamination(texts, config.decontamination).overlaps(generated)
    same = {zero_shot_prompt(statement) for statement in statements}
    expected = [n for n, prompt in enumerate(generated["prompt"]) if prompt in same]
    assert found["seed"].unique().to_list() == expected != []
    assert set(found["match"]) == {"equal"}
