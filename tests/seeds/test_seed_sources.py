"""Sources of a profile: each content is a batch, known by the source's name; what helps where there is none."""

import json
import os
import time
from pathlib import Path

import polars as pl
import pytest

from marco_dag.errors import SeedFileError
from marco_dag.seeds import SeedBatches, SeedsConfig, SourceConfig, Sources, source_of
from marco_dag.storage import Storage


def rows(*numbers: int) -> list[dict]:
    return [{"prompt": f"Compute {n}+1", "task": "arithmetic", "reference": {"answer": n + 1}} for n in numbers]


def write(path: Path, content: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in content))
    os.utime(path, (time.time() - 60,) * 2)
    return path


def sources(tmp_path: Path, **given: dict) -> Sources:
    configs = {name.replace("_", "-"): SourceConfig.model_validate(source) for name, source in given.items()}
    return Sources(configs, tmp_path / "snapshots")


def batches(tmp_path: Path, given: dict | None = None, **settings: object) -> SeedBatches:
    config = SeedsConfig.model_validate(
        {"tasks": ["letters"], "generated_per_task": 5, "sources": given or {}, **settings}
    )
    return SeedBatches(config, Storage(tmp_path / "data"), seed=0)


def test_a_file_becomes_a_batch_named_by_source_and_content_with_a_copy_of_its_own(tmp_path):
    file = write(tmp_path / "train.jsonl", rows(1))
    taken = sources(tmp_path, my_set={"path": str(file)})
    [batch] = taken.take_in()
    assert batch.batch == f"my-set.{batch.digest[:8]}"
    assert (batch.file, source_of(batch.batch)) == ("train.jsonl", "my-set")
    file.unlink()
    assert taken.copy_of(batch).read_text() == json.dumps(rows(1)[0]) + "\n"
    assert taken.batches() == [batch]


def test_no_file_of_the_inbox_is_taken_for_a_source(tmp_path):
    known = batches(tmp_path, {"set": {"path": str(write(tmp_path / "set.jsonl", rows(1)))}})
    write(known.inbox.folder / "set.jsonl", rows(1))
    known.sources.take_in()
    known.inbox.scan()
    keys = known.table()["batch"].to_list()
    assert len(set(keys)) == 3
    assert [source_of(key) for key in keys] == [None, "set", None]
    assert known.table()["source"].to_list() == ["generated", "set", "set.jsonl"]


def test_an_edited_file_is_another_batch_in_the_place_of_the_old_one(tmp_path):
    file = write(tmp_path / "train.jsonl", rows(1))
    taken = sources(tmp_path, mine={"path": str(file)})
    [old] = taken.take_in()
    write(file, rows(1, 2))
    [new] = taken.take_in()
    assert old.batch != new.batch
    assert taken.batches() == [new]


def test_a_source_that_the_profile_no_longer_names_has_no_batch(tmp_path):
    file = write(tmp_path / "train.jsonl", rows(1))
    [batch] = sources(tmp_path, mine={"path": str(file)}).take_in()
    assert sources(tmp_path).batches() == []
    with pytest.raises(SeedFileError, match=r"not what seeds\.sources\.mine of the profile holds"):
        batches(tmp_path).read(batch.batch)


@pytest.mark.parametrize(
    ("path", "reason"), [("gone.jsonl", "No such file"), ("train.csv", "unknown kind of file '.csv'; known: .jsonl")]
)
def test_a_file_that_cannot_be_taken_in_names_the_source(tmp_path, path, reason):
    with pytest.raises(SeedFileError, match=rf"seeds\.sources\.mine: .*{path}: {reason}"):
        sources(tmp_path, mine={"path": str(tmp_path / path)}).take_in()


def test_a_data_set_is_read_by_the_library_datasets(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    write(tmp_path / "hub" / "train.jsonl", [{"q": "Compute 1+1", "a": 2}, {"q": "Compute 1+2", "a": None}])
    write(tmp_path / "hub" / "test.jsonl", [{"q": "Compute 1+3", "a": 4}])
    mapping = {"task": "arithmetic", "fields": {"prompt": "q", "answer": "a"}}
    known = batches(tmp_path, {"set": {"dataset": str(tmp_path / "hub"), **mapping}})
    [batch] = known.sources.take_in()
    assert known.sources.take_in() == [batch], "the same rows give the same batch"
    found = known.read(batch.batch)
    assert found.prompts["prompt"].to_list() == ["Compute 1+1"]
    assert found.quarantine.select("line", "field", "reason").rows() == [(2, "a", "missing")]
    assert set(pl.read_parquet_schema(known.sources.copy_of(batch))) == {"q", "a"}


def test_a_data_set_that_cannot_be_reached_says_which_and_what_to_do(tmp_path, monkeypatch):
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SeedFileError) as error:
        sources(tmp_path, far={"dataset": "nobody/nothing-of-that-name", "subset": "main"}).take_in()
    message = str(error.value)
    assert "seeds.sources.far: data set nobody/nothing-of-that-name main, split train: cannot be had" in message
    assert "name that as dataset or as path" in message
    assert not list((tmp_path / "snapshots").glob("*.partial"))


def test_a_question_of_several_batches_belongs_to_the_first_and_nothing_is_lost(tmp_path):
    given = {
        "second": {"path": str(write(tmp_path / "b.jsonl", rows(1, 2)))},
        "first": {"path": str(write(tmp_path / "a.jsonl", rows(2, 3)))},
    }
    known = batches(tmp_path, given, held_out_share=1e-9)
    [letters] = known.read("generated").prompts.head(1).rows(named=True)
    own = {"prompt": letters["prompt"].upper(), "task": "letters", "reference": json.loads(letters["reference"])}
    known.sources.take_in()
    write(known.inbox.folder / "z.jsonl", rows(3, 4))
    known.inbox.scan()
    write(known.inbox.folder / "a.jsonl", [*rows(4, 5), own, {**rows(6)[0], "reference": "bad"}])
    known.inbox.scan()
    keys = known.table()["batch"].to_list()
    no_questions = pl.DataFrame(schema={"benchmark": pl.String, "question_id": pl.String, "text": pl.String})
    kept = {key: known.screened(key, no_questions) for key in keys}
    numbers = [
        [int(prompt.split()[1].split("+")[0]) for prompt in found.prompts.filter(task="arithmetic")["prompt"]]
        for found in kept.values()
    ]
    assert numbers == [[], [1, 2], [3], [4], [5]]
    last = kept[keys[-1]]
    assert last.quarantine.select("line", "field", "reason").rows() == [
        (1, "prompt", f"duplicate of a question of batch {keys[3]}"),
        (3, "prompt", "duplicate of a question of batch generated"),
        (4, "reference", "a string here must hold a JSON object: not JSON: Expecting value at character 1"),
    ]
    for found in kept.values():
        assert found.duplicates == found.quarantine["reason"].str.starts_with("duplicate of a question").sum()


def test_a_bad_row_of_an_earlier_batch_keeps_nothing_from_a_later_one(tmp_path):
    bad = {**rows(1)[0], "reference": {"answer": "one"}}
    given = {
        "bad": {"path": str(write(tmp_path / "bad.jsonl", [bad]))},
        "good": {"path": str(write(tmp_path / "good.jsonl", rows(1)))},
    }
    known = batches(tmp_path, given)
    known.sources.take_in()
    good = known.table()["batch"].to_list()[-1]
    no_questions = pl.DataFrame(schema={"benchmark": pl.String, "question_id": pl.String, "text": pl.String})
    assert known.screened(good, no_questions).prompts.height == 1
