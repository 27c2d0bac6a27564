"""A user's seeds file: good rows go on, every bad row says which file, line and field, and why."""

import json
import tracemalloc
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marco_dag.errors import SeedFileError
from marco_dag.schemas import SEED_PROMPTS, SEED_QUARANTINE
from marco_dag.seeds import SeedFile, SeedsConfig, read_seed_file
from marco_dag.tasks import is_held_out

CONFIG = SeedsConfig(held_out_share=0.25, max_prompt_chars=200)


def addition(number: int) -> dict[str, object]:
    return {"prompt": f"Compute {number}+1", "task": "arithmetic", "reference": {"answer": number + 1}}


GOOD, ANOTHER, *_ = (row for row in map(addition, range(50)) if not is_held_out(str(row["prompt"]), 0.25))
HELD_OUT = next(row for row in map(addition, range(50)) if is_held_out(str(row["prompt"]), 0.25))


def read_lines(folder: Path, *lines: bytes | str) -> SeedFile:
    file = folder / "seeds.jsonl"
    file.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return read_seed_file(file, batch="batch-1", config=CONFIG)


def test_a_good_row_becomes_a_training_seed(tmp_path):
    seeds, quarantine = (read := read_lines(tmp_path, json.dumps(GOOD))).prompts, read.quarantine
    assert (seeds.schema, quarantine.schema) == (SEED_PROMPTS, SEED_QUARANTINE)
    assert quarantine.is_empty()
    [row] = seeds.rows(named=True)
    assert row["seed_id"].startswith("seed-")
    assert row == {
        "seed_id": row["seed_id"],
        "task": "arithmetic",
        "prompt": GOOD["prompt"],
        "reference": json.dumps(GOOD["reference"], separators=(",", ":")),
        "source": "seeds.jsonl",
        "split": "train",
        "batch": "batch-1",
    }


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ('{"prompt": "Compute', None, "not JSON"),
        ("[1, 2]", None, "must be an object"),
        ("NaN", None, "NaN is not JSON"),
        ("[" * 100_000, None, "nested too deeply"),
        (b'{"prompt": "\xff"}', None, "not UTF-8 at byte 13"),
        (b"x" * 3_000_000, None, "a line of more than"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "reference"}), "reference", "missing"),
        (json.dumps(GOOD | {"prompt": None}), "prompt", "missing"),
        (json.dumps(GOOD | {"prompt": 7}), "prompt", "must be a string, not a number"),
        (json.dumps(GOOD | {"prompt": " \t "}), "prompt", "blank"),
        (json.dumps(GOOD | {"prompt": "Compute\x00 1+1"}), "prompt", "control character or lone surrogate U+0000"),
        (json.dumps(GOOD | {"prompt": "Compute \ud800"}), "prompt", "lone surrogate U+D800"),
        (json.dumps(GOOD | {"prompt": "9" * 201}), "prompt", "201 characters; at most 200"),
        (json.dumps(HELD_OUT), "prompt", "held-out"),
        (json.dumps(HELD_OUT | {"prompt": f" {HELD_OUT['prompt']}\n"}), "prompt", "held-out"),
        (json.dumps(GOOD | {"task": ["arithmetic"]}), "task", "must be a string, not a list"),
        (json.dumps(GOOD | {"task": "poetry"}), "task", "unknown task 'poetry'; known: letters, arithmetic"),
        (json.dumps(GOOD | {"reference": {"answer": "two"}}), "reference", "answer: "),
        (json.dumps(GOOD | {"reference": [2]}), "reference", "must be an object, not a list"),
        (json.dumps(GOOD | {"reference": "2+"}), "reference", "must hold a JSON object"),
        (json.dumps(GOOD | {"reference": {"answer": 1, "note": "\ud800"}}), "reference", "surrogates"),
    ],
)
def test_a_bad_row_is_quarantined_and_the_rows_around_it_go_on(tmp_path, line, field, reason):
    read = read_lines(tmp_path, json.dumps(GOOD), line, json.dumps(ANOTHER))
    assert read.prompts["prompt"].to_list() == [GOOD["prompt"], ANOTHER["prompt"]]
    [bad] = read.quarantine.rows(named=True)
    assert (bad["batch"], bad["file"], bad["line"], bad["field"]) == ("batch-1", "seeds.jsonl", 2, field)
    assert reason in bad["reason"]
    assert len(bad["raw"]) <= 2000


def test_a_duplicate_names_the_line_it_repeats(tmp_path):
    read = read_lines(
        tmp_path, json.dumps(ANOTHER), "", json.dumps(GOOD), json.dumps(GOOD | {"reference": {"answer": 0}})
    )
    assert read.prompts.height == 2
    assert read.quarantine.select("line", "field", "reason").rows() == [(4, "prompt", "duplicate of line 3")]


def test_blank_lines_byte_order_marks_and_windows_line_ends_are_no_faults(tmp_path):
    read = read_lines(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r", b"", b"  ")
    assert read.prompts.height == 1
    assert read.quarantine.is_empty()


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"])
def test_a_file_without_rows_is_one_quarantine_row_without_a_line(tmp_path, content):
    read = read_lines(tmp_path, content)
    assert read.prompts.is_empty()
    assert read.quarantine["line"].to_list() == [None]


def test_a_folder_and_an_unknown_kind_of_file_are_quarantined_as_a_whole(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "seeds.csv").write_text("prompt,task,reference\n")
    folder = read_seed_file(tmp_path / "folder.jsonl", batch="b", config=CONFIG)
    table = read_seed_file(tmp_path / "seeds.csv", batch="b", config=CONFIG)
    assert "folder" in folder.quarantine["reason"].item()
    assert "'.csv'" in table.quarantine["reason"].item()


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(SeedFileError, match=r"gone\.jsonl"):
        read_seed_file(tmp_path / "gone.jsonl", batch="b", config=CONFIG)


@pytest.mark.parametrize("as_text", [True, False])
def test_parquet_rows_are_read_with_references_as_structs_or_as_json_text(tmp_path, as_text):
    word = {"prompt": "How many s in grass?", "task": "letters", "reference": {"word": "grass", "letter": "s"}}
    rows = [GOOD, word, GOOD | {"prompt": "", "extra": 1}]
    if as_text:
        rows = [row | {"reference": json.dumps(row["reference"])} for row in rows]
    pl.DataFrame(rows).write_parquet(tmp_path / "seeds.parquet")
    config = CONFIG.model_copy(update={"held_out_share": 1e-9})
    read = read_seed_file(tmp_path / "seeds.parquet", batch="b", config=config)
    assert [json.loads(text) for text in read.prompts["reference"]] == [GOOD["reference"], word["reference"]]
    assert read.quarantine.select("line", "field", "reason").rows() == [(3, "prompt", "blank")]


def test_parquet_faults_of_the_whole_file_are_quarantined(tmp_path):
    pl.DataFrame({"prompt": ["a"], "task": ["b"]}).write_parquet(tmp_path / "narrow.parquet")
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "narrow.parquet").read_bytes()[:100])
    narrow = read_seed_file(tmp_path / "narrow.parquet", batch="b", config=CONFIG).quarantine.row(0, named=True)
    torn = read_seed_file(tmp_path / "torn.parquet", batch="b", config=CONFIG).quarantine.row(0, named=True)
    assert (narrow["line"], narrow["field"]) == (None, "reference")
    assert "missing column; the file has: prompt, task" in narrow["reason"]
    assert "not readable as Parquet" in torn["reason"]


def test_the_same_question_has_the_same_id_in_any_file(tmp_path):
    first = read_lines(tmp_path, json.dumps(GOOD)).prompts
    second = read_lines(tmp_path, json.dumps(ANOTHER), json.dumps(dict(reversed(GOOD.items())) | {"id": 3})).prompts
    assert second["seed_id"].to_list()[1] == first["seed_id"].item()


def test_a_line_of_any_length_is_read_in_bounded_memory(tmp_path):
    file = tmp_path / "long.jsonl"
    with file.open("wb") as out:
        for _ in range(64):
            out.write(b"x" * (1 << 20))
        out.write(b"\n" + json.dumps(GOOD).encode())
    tracemalloc.start()
    read = read_seed_file(file, batch="b", config=CONFIG)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (read.prompts.height, read.quarantine["line"].to_list()) == (1, [1])
    assert peak < 8 << 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "prompt": JSON | st.just("Compute 1+1"),
        "task": JSON | st.sampled_from(["letters", "arithmetic", "blocksworld", "instructions"]),
        "reference": JSON
        | st.dictionaries(
            st.sampled_from(["answer", "word", "letter", "start", "goal", "count", "case", "first", "last", "order"]),
            JSON,
        ),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS | JSON, max_size=4))
def test_whatever_a_row_holds_it_is_taken_or_quarantined(tmp_path, rows):
    read = read_lines(tmp_path, *(json.dumps(row) for row in rows))
    assert read.prompts.height + read.quarantine.filter(pl.col("line").is_not_null()).height == len(rows)
