"""`marco export`: a folder that Hugging Face's own libraries read, and a card that says where it came from."""

import re

import polars as pl
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer

from marco_dag.engines import TransformersConfig, checkpoint_digest, load_engine
from marco_dag.manifests import Model, write_manifest


@pytest.fixture
def card(export, tmp_path) -> ModelCard:
    """The card of an export with a licence."""
    status, out, _ = export("--license", "apache-2.0", "--name", "small-reasoner")
    assert (status, out) == (0, f"{tmp_path / 'out'}\n")
    return ModelCard((tmp_path / "out" / "README.md").read_text())


def test_the_folder_holds_the_very_weights_and_loads(card, made, tmp_path, checkpoint):
    out = tmp_path / "out"
    assert checkpoint_digest(out) == made.digest
    ours, theirs = (AutoModelForCausalLM.from_pretrained(folder) for folder in (checkpoint, out))
    for mine, exported in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, exported)
    assert AutoTokenizer.from_pretrained(out).chat_template
    assert load_engine(out, TransformersConfig(device="cpu")).model_digest == made.digest
    assert not [file for file in out.iterdir() if file.suffix in (".bin", ".pt", ".pkl", ".py")]


def test_the_card_s_fields_are_those_of_the_hub(card):
    fields = card.data.to_dict()
    assert (fields["license"], fields["base_model"], fields["library_name"]) == (
        "apache-2.0",
        "somebody/small-instruct",
        "transformers",
    )
    by_name = {(r.dataset_name, r.metric_name.split(",")[1].strip()): r.metric_value for r in card.data.eval_results}
    assert by_name["held-out questions, all tasks", "greedy"] == 100.0


def test_the_card_tells_scores_with_n_and_intervals(card):
    row = next(line for line in card.text.splitlines() if line.startswith("| held-out questions, all tasks | greedy"))
    assert row == "| held-out questions, all tasks | greedy | 1 | 1 | 100.0 (20.7 to 100.0) | 0.0 (0.0 to 79.3) | 20 |"
    assert "In brackets: 95% intervals over questions" in card.text


def test_the_card_tells_the_data_the_writers_and_the_settings(card):
    text = card.text
    assert "| balanced_cot |" not in text
    assert re.search(r"\| cot_set \| 3 \| 3 \| 3 \| \d+ \| 3 \|", text)
    assert re.search(r"\| preference_pairs \| 3 \| 6 \| 3 \| \d+ \| 3 \|", text)
    assert f"| mine | mine.jsonl | {'d' * 64} | 1 | 1 |" in text
    assert "| generator | somebody/big-instruct | digest-of-the-generator |" in text
    assert "| critic | other-instruct | digest-of-the-critic |" in text
    assert "beta: 0.25" in text
    assert "learning_rate: 0.001" in text
    assert "Dagster run `run-2`" in text
    assert "It began from somebody/small-instruct, digest digest-of-the-student." in text
    assert "/secret/place" not in text


def test_what_the_card_says_of_the_data_is_there_for_programs_too(card, made, tmp_path):
    facts = yaml.safe_load((tmp_path / "out" / "provenance.yaml").read_text())
    assert facts["digest"] == made.digest
    assert [stage["asset"] for stage in facts["stages"]] == ["dpo_checkpoint/full", "sft_checkpoint"]
    assert [(row["training_table"], row["seeds"]) for row in facts["training_sets"]] == [
        ("cot_set", 3),
        ("preference_pairs", 3),
    ]


def test_without_a_licence_the_fields_are_to_be_filled_in_and_that_is_said(export, tmp_path):
    status, _, err = export()
    assert status == 0
    assert "the licence, and the terms of what it rests on, are for you to fill in" in err
    fields = ModelCard((tmp_path / "out" / "README.md").read_text()).data.to_dict()
    assert (fields["license"], fields["license_name"], fields["license_link"]) == ("other", "FILL-IN", "FILL-IN")


def test_a_licence_of_one_s_own_needs_a_name_and_a_link(export, tmp_path):
    assert export("--license", "other")[0] == 2
    assert "give that too" in export("--license-name", "mine")[2]
    assert export("--license", "other", "--license-name", "mine", "--license-link", "https://example.org/l")[0] == 0
    assert "license_name: mine" in (tmp_path / "out" / "README.md").read_text()


def test_secrets_and_markup_from_outside_do_not_reach_the_card(made, export, leavings, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "planted-secret")
    hostile = "https://me:planted-password@host/x|y\n# Title <script>planted-secret</script>"
    rows = [{"batch": "mine", "source": hostile, "digest": "d" * 64, "bytes": 10}]
    leavings.write("seed_batches", None, rows)
    assert export()[0] == 0
    for name in ("README.md", "provenance.yaml"):
        assert "planted" not in (tmp_path / "out" / name).read_text()
    text = (tmp_path / "out" / "README.md").read_text()
    assert "\n# Title" not in text
    assert "<script>" not in text


def test_nothing_is_written_over_and_nothing_half_done_is_left(export, made, tmp_path):
    (tmp_path / "out").mkdir()
    assert export()[0] == 0
    status, _, err = export()
    assert status == 2
    assert "is there already and not empty" in err
    (made.artifact / "model" / "config.json").write_text("{}")
    (tmp_path / "other").mkdir()
    (tmp_path / "out").rename(tmp_path / "kept")
    status, _, err = export()
    assert status == 2
    assert "is not what was trained and scored" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "kept", "other"]


def test_links_and_places_outside_the_store_are_not_handed_out(export, made, marco, tmp_path):
    outside = tmp_path / "secret.json"
    outside.write_text("{}")
    (made.artifact / "model" / "extra.json").symlink_to(outside)
    assert "extra.json: is a link" in export()[2]
    (made.artifact / "model" / "extra.json").unlink()
    assert "lies among the artifacts" in marco("export", "full", str(made.storage.artifacts / "out"))[2]
    assert "lies outside the store (somebody/small-instruct)" in marco("export", "base", str(tmp_path / "out"))[2]
    manifest = made.storage.manifest_file("dpo_checkpoint", "full")
    write_manifest(manifest, {"student": Model("../elsewhere", "d", stored=True)})
    assert "leads out of" in export()[2]


def test_other_weights_than_safetensors_are_not_handed_out(export, made):
    (made.artifact / "model" / "model.safetensors").rename(made.artifact / "model" / "pytorch_model.bin")
    assert "holds no *.safetensors file" in export()[2]


def test_a_checkpoint_without_scores_says_so(export, made, tmp_path):
    file = made.storage.table_file("scores", "full")
    pl.read_parquet(file).with_columns(checkpoint_digest=pl.lit("another")).write_parquet(file)
    assert export()[0] == 0
    assert "These weights were not scored." in (tmp_path / "out" / "README.md").read_text()
