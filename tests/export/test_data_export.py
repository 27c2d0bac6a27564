"""`marco export-data`: Parquet that Hugging Face's `datasets` reads, and a card that says how it was made."""

import polars as pl
import pytest
from huggingface_hub import DatasetCard
from polars.testing import assert_frame_equal

from marco_dag.schemas import TABLES


@pytest.fixture
def export_data(made, marco, tmp_path):
    return lambda *arguments: marco("export-data", str(tmp_path / "out"), *arguments)


@pytest.fixture
def card(export_data, tmp_path) -> DatasetCard:
    status, out, _ = export_data("--license", "cc-by-4.0")
    assert (status, out) == (0, f"{tmp_path / 'out'}: cot_set 3, preference_pairs 3\n")
    return DatasetCard((tmp_path / "out" / "README.md").read_text())


def test_every_row_is_there_batch_by_batch(card, made, tmp_path):
    for table in ("cot_set", "preference_pairs"):
        files = sorted((tmp_path / "out" / "data" / table).iterdir())
        assert [file.name for file in files] == ["generated.parquet", "mine.parquet"]
        for file in files:
            assert_frame_equal(pl.read_parquet(file), pl.read_parquet(made.storage.table_folder(table) / file.name))


def test_the_card_s_configurations_load_with_datasets(card, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    assert card.data.license == "cc-by-4.0"
    assert [config["config_name"] for config in card.data.to_dict()["configs"]] == ["cot_set", "preference_pairs"]
    for table in ("cot_set", "preference_pairs"):
        read = load_dataset(str(tmp_path / "out"), table, split="train", cache_dir=str(tmp_path / "cache"))
        assert read.num_rows == 3
        assert read.column_names == list(TABLES[table])


def test_the_card_tells_schema_counts_making_and_what_was_kept_out(card):
    text = card.text
    assert "| cot_set | 3 | Examples of supervised fine-tuning" in text
    assert "| common_prefix_tokens | Int64 |" in text
    assert "| generator | somebody/big-instruct | digest-of-the-generator | 15 |" in text
    assert "| balanced_cot | mine | 1 | balanced_cot/mine@1 | 1 | run-1 |" in text
    assert f"| mine | mine.jsonl | {'d' * 64} | 1 | 0 | 0 |" in text
    assert "both share 13 words in a row" in text
    assert "A share of 25% of the prompts" in text
    assert "Dropped, by benchmark:\n\n(none)" in text


def test_what_was_quarantined_and_dropped_is_counted(export_data, leavings, tmp_path):
    bad = {"batch": "mine", "file": "mine.jsonl", "line": 2, "reason": "no prompt", "raw": "{}"}
    leavings.write("seed_quarantine", "mine", [bad, bad | {"line": 3}])
    overlap = {"batch": "mine", "seed_id": "seed-9", "benchmark": "GSM8K", "question_id": "q", "match": "n-gram"}
    leavings.write("seed_overlaps", "mine", [overlap, overlap | {"question_id": "q2"}])
    assert export_data()[0] == 0
    text = (tmp_path / "out" / "README.md").read_text()
    assert f"| mine | mine.jsonl | {'d' * 64} | 1 | 2 | 1 |" in text
    assert "| GSM8K | n-gram | 1 |" in text


def test_the_trees_behind_it_are_handed_out_where_they_are_asked_for(export_data, tmp_path):
    status, out, _ = export_data("--tables", "trees", "thoughts", "seed_prompts", "chains")
    assert (status, out) == (0, f"{tmp_path / 'out'}: trees 3, thoughts 18, seed_prompts 3, chains 9\n")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (["scores"], "scores: cannot be handed out; tables that can: cot_set, preference_pairs, chains"),
        (["../tables"], "../tables: cannot be handed out"),
    ],
)
def test_only_the_tables_of_the_data_can_be_handed_out(export_data, tmp_path, tables, message):
    status, _, err = export_data("--tables", *tables)
    assert status == 2
    assert message in err
    assert not (tmp_path / "out").exists()


def test_an_empty_table_is_no_data_set(export_data, made, tmp_path):
    for file in made.storage.table_folder("cot_set").iterdir():
        file.unlink()
    status, _, err = export_data()
    assert status == 2
    assert "cot_set: no rows below" in err
    assert "materialize balanced_cot first" in err
    assert not (tmp_path / "out").exists()
