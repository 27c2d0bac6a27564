"""Seeds through Dagster: sources become partitions, what a benchmark asks is dropped, told and checked for."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import _checks as checks
from marco_dag.seeds import Decontamination, DecontaminationConfig, question_texts

from .conftest import House, open_house

QUESTIONS = ("held_out_questions", "benchmark_questions", "benchmark_quarantine")
SEEDS = ("seed_prompts", "seed_quarantine", "seed_overlaps")
ASKED = "Anna has five bags with twelve marbles each and gives away seven of all her marbles to her brother. How many?"


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Iterator[House]:
    """A house without models."""
    with open_house(tmp_path_factory.mktemp("bare"), dg.DagsterInstance.ephemeral()) as house:
        yield house


def write(file: Path, rows: list[dict]) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="module")
def changes(bare) -> dict:
    """A profile with a source of seeds and with a published benchmark that asks one of its questions."""
    folder = bare.storage.root.parent / "published"
    train = [
        {"question": "Anna has five bags. How many bags has Anna?", "answer": "So she has five.\n#### 5"},
        {"question": ASKED.upper(), "answer": "#### 53"},
        {"question": "Now: " + ASKED.replace("brother", "sister"), "answer": "#### 53"},
        {"question": "How many?", "answer": None},
        {"question": "anna has FIVE  bags. How many bags has Anna?", "answer": "#### 5"},
    ]
    source = {
        "path": write(folder / "train.jsonl", train),
        "task": "math",
        "fields": {"prompt": "question", "answer": {"column": "answer", "take": "after-hashes"}},
    }
    test = write(folder / "test.jsonl", [{"question": ASKED, "answer": "#### 53"}])
    return {
        "seeds": {"sources": {"gsm8k-train": source}},
        "evaluation": {"benchmarks": {"GSM8K": {"source": test}}},
    }


@pytest.fixture(scope="module")
def batch(bare, changes) -> str:
    """The source's batch, its questions made."""
    assert bare.run("seed_batches", *QUESTIONS, changes=changes).success
    [batch] = [key for key in bare.instance.get_dynamic_partitions("seed_batches") if key.startswith("gsm8k-train.")]
    result = bare.run(*SEEDS, partition=batch, changes=changes)
    assert result.success
    return batch


def metadata(house: House, asset: str, batch: str) -> dict:
    records = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[batch])
    [record] = house.instance.fetch_materializations(records, limit=1).records
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_a_source_of_the_profile_is_a_batch_beside_the_generated_one(bare, batch):
    table = bare.table("seed_batches")
    assert table["batch"].to_list() == ["generated", batch]
    assert table["source"].to_list() == ["generated", "gsm8k-train"]


def test_good_rows_are_searched_and_every_other_says_why_not(bare, batch):
    prompts, quarantine = bare.table("seed_prompts", batch), bare.table("seed_quarantine", batch)
    assert prompts.select("prompt", "reference", "source").rows() == [
        ("Anna has five bags. How many bags has Anna?", '{"answer":"5"}', "gsm8k-train")
    ]
    assert set(quarantine["file"]) == {"train.jsonl"}
    [question] = bare.table("benchmark_questions")["question_id"]
    faults = quarantine.select("line", "field", "reason").rows()
    assert faults[0] == (2, "prompt", f"is what GSM8K asks ({question})")
    assert faults[1][2].startswith(f"shares 18 words in a row with what GSM8K asks ({question}): 'anna has five bags")
    assert faults[2:] == [(4, "answer", "missing"), (5, "question", "duplicate of line 1")]
    told = metadata(bare, "seed_prompts", batch)
    assert (told["quarantined"], told["contaminated"], told["duplicates of other batches"]) == (4, 2, 0)


def test_the_overlaps_name_question_kind_and_words(bare, batch):
    overlaps = bare.table("seed_overlaps", batch)
    assert overlaps.select("line", "benchmark", "question", "match", "words").rows() == [
        (2, "GSM8K", ASKED, "equal", 21),
        (3, "GSM8K", ASKED, "n-gram", 18),
    ]
    assert overlaps["overlap"][1].startswith("anna has five bags with twelve marbles each")
    assert metadata(bare, "seed_overlaps", batch)["GSM8K, equal"] == 1


def test_a_benchmark_that_comes_later_fails_the_check_until_the_seeds_are_made_again(bare, batch, changes):
    seeds = bare.table("seed_prompts", batch)
    asked = bare.table("benchmark_questions").with_columns(question=pl.lit(seeds["prompt"][0].lower()))
    texts = question_texts(bare.table("held_out_questions"), asked)
    failed = checks.none_in_a_benchmark(seeds, texts, DecontaminationConfig())
    assert not failed.passed
    assert f"1 seeds overlap with a benchmark; first {seeds['seed_id'][0]} with what GSM8K asks" in failed.description
    before = question_texts(bare.table("held_out_questions"), bare.table("benchmark_questions"))
    assert checks.none_in_a_benchmark(seeds, before, DecontaminationConfig()).passed


def test_the_generated_batch_is_untouched_by_decontamination(bare, batch, changes):
    assert bare.run(*SEEDS, partition="generated", changes=changes).success
    config = bare.profile.seeds
    assert bare.table("seed_prompts", "generated").height == config.generated_per_task * len(config.tasks)
    assert bare.table("seed_overlaps", "generated").is_empty()
    assert bare.table("seed_quarantine", "generated").is_empty()


def test_a_seed_that_is_left_in_blocks_what_is_built_on_it(bare, batch, changes, monkeypatch):
    """Where screening fails to drop anything, the check does not let it through."""
    real = Decontamination.overlaps
    calls = []

    def blind_at_first(self, seeds):
        calls.append(seeds)
        found = real(self, seeds)
        return found.clear() if len(calls) == 1 else found

    monkeypatch.setattr(Decontamination, "overlaps", blind_at_first)
    result = bare.run(*SEEDS, partition=batch, changes=changes)
    assert not result.success
    [check] = [c for c in result.get_asset_check_evaluations() if not c.passed]
    assert (check.check_name, check.asset_key.to_user_string()) == ("no_benchmark_overlap", "seed_prompts")


def test_a_source_that_leaves_the_profile_is_no_partition_any_more(bare, batch, changes):
    assert bare.run("seed_batches").success
    assert bare.instance.get_dynamic_partitions("seed_batches") == ["generated"]
    assert bare.run("seed_batches", changes=changes).success
    assert set(bare.instance.get_dynamic_partitions("seed_batches")) == {"generated", batch}


def test_difficulty_is_not_measured_unless_the_profile_asks_for_it(bare, batch):
    from assets.partitions import BATCH_ASSETS

    assert bare.profile.seeds.difficulty is None
    assert "seed_difficulty" not in BATCH_ASSETS


@pytest.mark.slow
def test_difficulty_is_measured_by_the_base_student_and_decides_what_is_searched(house):
    changes = {"seeds": {"generated_per_task": 3, "difficulty": {"samples": 2, "max_tokens": 24}}}
    assert house.run("seed_batches", *QUESTIONS, "base_models", changes=changes).success
    assert house.run(*SEEDS, partition="generated", changes=changes).success
    early = house.run("mcts_trees", "thoughts", partition="generated", changes=changes)
    [event] = [event for event in early.all_events if event.is_step_failure]
    assert "materialize seed_difficulty first" in event.step_failure_data.user_failure_data.description
    assert house.run("seed_difficulty", partition="generated", changes=changes).success
    difficulty = house.table("seed_difficulty", "generated")
    assert difficulty["seed_id"].to_list() == house.table("seed_prompts", "generated")["seed_id"].to_list()
    assert set(difficulty["samples"]) == {2}
    changes["seeds"]["difficulty"] |= {"min_pass_rate": 1.0}
    assert house.run("mcts_trees", "thoughts", partition="generated", changes=changes).success
    easy = difficulty.filter(pass_rate=1.0)["seed_id"].to_list()
    assert house.table("trees", "generated")["seed_id"].to_list() == easy
    assert metadata(house, "mcts_trees", "generated")["too easy or too hard"] == difficulty.height - len(easy)
