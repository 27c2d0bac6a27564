"""A published row becomes a row of ours: which column gives what, how a value is read, what is said of a bad one."""

import json
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from marco_dag.seeds import SeedFile, SeedsConfig, SourceConfig, read_seed_file

GSM8K = {"task": "arithmetic", "fields": {"prompt": "question", "answer": {"column": "answer", "take": "json"}}}


def read(folder: Path, rows: list[dict], name: str = "published.jsonl", **source: object) -> SeedFile:
    """The rows, read as those of a source `set` that maps them as `source` says."""
    file = folder / name
    if name.endswith(".parquet"):
        pl.DataFrame(rows).write_parquet(file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = SeedsConfig(sources={"set": {"path": str(file), **source}})
    return read_seed_file(file, batch="set.1", config=config, source="set")


def test_columns_constants_and_the_source_s_name_make_a_seed(tmp_path):
    rows = [{"question": "How many s in grass?", "word": "grass", "topic": "plants"}]
    found = read(
        tmp_path, rows, task="letters", fields={"prompt": "question", "word": "word"}, constants={"letter": "s"}
    )
    [seed] = found.prompts.rows(named=True)
    assert json.loads(seed["reference"]) == {"letter": "s", "word": "grass"}
    assert (seed["task"], seed["prompt"], seed["source"]) == ("letters", "How many s in grass?", "set")
    assert found.quarantine.is_empty()


def test_without_a_mapping_the_rows_are_as_in_our_own_files(tmp_path):
    row = {"prompt": "Compute 1+1", "task": "arithmetic", "reference": {"answer": 2}}
    assert read(tmp_path, [row]).prompts["prompt"].to_list() == ["Compute 1+1"]


def test_no_prompt_of_a_source_is_held_out_unless_it_is_asked_for(tmp_path):
    rows = [{"prompt": f"Compute {n}+1", "task": "arithmetic", "reference": {"answer": n + 1}} for n in range(60)]
    assert read(tmp_path, rows).prompts.height == 60
    found = read(tmp_path, rows, held_out_share=0.25)
    assert 0 < found.quarantine.height < 60
    assert set(found.quarantine["reason"].str.contains("held-out share")) == {True}


@pytest.mark.parametrize(
    ("take", "value", "expected"),
    [
        ("value", 7, 7),
        ("json", "7", 7),
        ("json", 7, 7),
        ("text", 7, "7"),
        ("text", 7.0, "7"),
        ("text", 0.5, "0.5"),
        ("after-hashes", "He has 1,000.\n#### 1,234,567", "1234567"),
        ("after-hashes", "#### 3 #### (1,2)", "(1,2)"),
        ("last-boxed", r"first \boxed{1}, then $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        ("last-boxed", r"\boxed {a \} b}", r"a \} b"),
    ],
)
def test_a_value_is_taken_as_the_mapping_says(tmp_path, take, value, expected):
    from marco_dag.seeds.mapping import RowMapping

    source = SourceConfig(path="x.jsonl", task="math", fields={"answer": {"column": "gold", "take": take}})
    assert RowMapping(source).map({"prompt": "p", "gold": value}) == {
        "task": "math",
        "prompt": "p",
        "reference": {"answer": expected},
    }


@pytest.mark.parametrize(
    ("take", "value", "reason"),
    [
        ("after-hashes", "no hashes", "has no #### before the answer"),
        ("after-hashes", 5, "has no #### before the answer"),
        ("last-boxed", "no box", "has no \\boxed{…}"),
        ("last-boxed", r"\boxed{1} and \boxed{2", "its last \\boxed{ is never closed"),
        ("last-boxed", "\\boxed{" * 10_000, "its last \\boxed{ is never closed"),
        ("last-boxed", ["x"], "must be a string, not a list"),
        ("json", "{", "must hold JSON: not JSON"),
        ("text", True, "must be text or a number, not a boolean"),
        ("value", None, "missing"),
    ],
)
def test_a_value_that_cannot_be_taken_names_its_column(tmp_path, take, value, reason):
    fields = {"prompt": "question", "answer": {"column": "gold", "take": take}}
    good = {
        "question": "Compute 1+1",
        "gold": {"json": "2", "after-hashes": "#### 2", "text": 2}.get(take, r"\boxed{2}"),
    }
    found = read(tmp_path, [good, {"question": "Compute 1+2", "gold": value}], task="math", fields=fields)
    faults = found.quarantine.filter(line=2).select("file", "line", "field").rows()
    assert faults == [("published.jsonl", 2, "gold")]
    assert reason in found.quarantine.filter(line=2)["reason"].item()


def test_faults_are_told_in_the_words_of_the_file(tmp_path):
    rows = [
        {"question": " ", "answer": "1"},
        {"problem": "Compute 2+2", "answer": "4"},
        {"question": "Compute 2+2", "answer": "4"},
        {"question": "compute  2+2", "answer": "4"},
        {"question": "Compute 2+3", "answer": '"five"'},
    ]
    found = read(tmp_path, rows, **GSM8K)
    assert found.prompts["prompt"].to_list() == ["Compute 2+2"]
    assert [(line, field) for line, field in found.quarantine.select("line", "field").rows()] == [
        (1, "question"),
        (2, "question"),
        (4, "question"),
        (5, "reference"),
    ]
    assert found.quarantine["reason"].to_list()[1:3] == [
        "missing; the row has: problem, answer",
        "duplicate of line 3",
    ]


def test_only_the_columns_that_are_mapped_must_be_in_a_parquet_file(tmp_path):
    rows = [{"question": "Compute 1+1", "answer": "2"}]
    assert read(tmp_path, rows, "set.parquet", **GSM8K).prompts.height == 1
    [fault] = read(tmp_path, [{"question": "Compute 1+1"}], "set.parquet", **GSM8K).quarantine.rows(named=True)
    assert (fault["line"], fault["field"], fault["reason"]) == (
        None,
        "answer",
        "missing column; the file has: question",
    )


def test_the_nulls_of_other_rows_in_a_parquet_struct_are_no_part_of_a_reference(tmp_path):
    rows = [
        {"q": "Blocks AB Goal B/A", "start": {"A": "B", "B": "T"}, "goal": {"B": "A"}},
        {"q": "Blocks CD Goal D/C", "start": {"C": "D", "D": "T"}, "goal": {"D": "C"}},
    ]
    fields = {"prompt": "q", "start": "start", "goal": "goal"}
    found = read(tmp_path, rows, "set.parquet", task="blocksworld", fields=fields)
    assert json.loads(found.prompts["reference"][1]) == {"start": {"C": "D", "D": "T"}, "goal": {"D": "C"}}


def test_a_limit_reads_no_further(tmp_path):
    rows = [{"question": f"Compute {n}+1", "answer": str(n + 1)} for n in range(9)]
    assert read(tmp_path, [{}, *rows], limit=4, **GSM8K).prompts.height == 3


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({}, "give either path or dataset"),
        ({"path": "a", "dataset": "b"}, "give either path or dataset"),
        ({"path": "a", "fields": {"reference": "r", "answer": "a"}}, "fields.reference is the whole reference"),
        ({"path": "a", "fields": {"answer": "a"}, "constants": {"answer": 1}}, "in fields and in constants"),
        ({"path": "a", "constants": {"task": "math"}}, "only fields of the reference"),
        ({"path": "a", "task": "math", "fields": {"task": "t"}}, "keep one"),
    ],
)
def test_a_source_that_contradicts_itself_is_refused(source, reason):
    with pytest.raises(ValidationError, match=reason):
        SourceConfig.model_validate(source)
