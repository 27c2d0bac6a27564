"""From questions to a report with real (tiny) models, through Dagster; what comes in on the way; what is reused."""

import importlib
import json

import dagster as dg
import polars as pl
import pytest
from rich.console import Console

from marco_dag.cli import main as marco
from marco_dag.engines import checkpoint_digest
from marco_dag.estimate import Basis, estimate, run_pilot
from marco_dag.lineage import open_database
from marco_dag.registry import MlflowStore, ModelRegistry
from marco_dag.schemas import TABLES
from marco_dag.tasks import is_held_out
from resources.storage import StorageResource
from resources.tracking import MlflowTracking

pytestmark = pytest.mark.slow

MAY_BE_EMPTY = ("seed_quarantine", "benchmark_questions", "benchmark_quarantine")
COSTLY = ("base_models", "mcts_trees", "sft_checkpoint", "dpo_checkpoint", "benchmark_scores")
MAY_BE_EMPTY = ("seed_quarantine", "seed_overlaps", "benchmark_questions", "benchmark_quarantine")


def materialize_everything(house):
    demo = importlib.import_module("assets.demo").Demo(house.defs, house.instance, Console())
    assert demo.materialize_everything(house.profile, house.storage), demo.failures
    assert demo.failures == []


@pytest.fixture(scope="module")
def finished(house):
    """The house after one run of everything, and of what stands beside the pipeline."""
    materialize_everything(house)
    beside = importlib.import_module("assets.demo").Demo(house.defs, house.instance, Console())
    assert beside.materialize(["strategy_comparison"], "generated"), beside.failures
    assert beside.materialize(["mcts_decoding"], "sft"), beside.failures
    return house


def versions(house) -> dict[tuple[str, str | None], str]:
    """The newest data version of every asset and partition."""
    with open_database(house.storage) as database:
        rows = database.execute("SELECT asset_key, partition, data_version FROM latest_artifacts").fetchall()
    return {(asset, partition): version for asset, partition, version in rows}


def test_every_table_is_there_with_its_schema_and_not_empty(finished):
    partitions = {
        "seed_batches": [None],
        "held_out_questions": [None],
        "watched_questions": [None],
        "benchmark_questions": [None],
        "benchmark_quarantine": [None],
        "scores": finished.profile.checkpoints,
        "mcts_decoding": ["sft"],
        "seed_difficulty": [],  # the profile does not ask for it
        "study_answers": [],  # tests/assets/test_study_assets.py
        "study_decoding": [],
        "study_findings": [],
    }
    for table in TABLES:
        for key in partitions.get(table, ["generated"]):
            frame = finished.table(table, key)
            assert frame.schema == TABLES[table]
            assert frame.height > 0 or table in MAY_BE_EMPTY, table


def test_baselines_stand_beside_the_tree_at_its_own_price(finished):
    comparison = finished.table("strategy_comparison", "generated")
    assert comparison["strategy"].to_list() == ["mcts", "best-of-n", "beam", "diverse-beam"]
    assert comparison["seeds"].unique().to_list() == [finished.table("trees", "generated").height]
    assert comparison["tokens"][0] == pytest.approx(finished.table("trees", "generated")["tokens"].mean())


def test_search_decoding_stands_beside_sampling_at_the_same_questions(finished):
    decoded = finished.table("mcts_decoding", "sft")
    asked = finished.table("held_out_questions")["seed_id"].to_list()
    for tries in finished.profile.evaluation.mcts_decoding.tries:
        for method in ("mcts", "sampling"):
            assert decoded.filter(tries=tries, method=method)["question_id"].sort().to_list() == sorted(asked)
    scored = finished.table("scores", "sft").filter(decoding="sampled").select("question_id", "tokens", "correct")
    first = decoded.filter(tries=1, method="sampling").join(scored, on="question_id", suffix="_scored")
    assert first["chosen_correct"].to_list() == first["correct"].to_list()
    records = dg.AssetRecordsFilter(asset_key=dg.AssetKey("mcts_decoding"), asset_partitions=["sft"])
    [record] = finished.instance.fetch_materializations(records, limit=1).records
    assert str(record.asset_materialization.metadata["Test@N"].value).startswith("![](data:image/png;base64,")


def test_a_pilot_over_all_questions_is_the_search_itself(finished):
    trees, cot = finished.table("trees", "generated"), finished.table("cot_set", "generated")
    pilot = run_pilot(finished.profile, 1000, finished.storage)
    assert pilot.trees.trees == trees.height
    assert pilot.trees.tokens == pytest.approx(trees["tokens"].mean())
    assert pilot.trees.examples * trees.height == pytest.approx(cot.height)
    assert pilot.trees.example_tokens == pytest.approx(cot["tokens"].mean())
    assert 5 < pilot.prompt_tokens < 40
    some = run_pilot(finished.profile, 5, finished.storage)
    assert some.trees.trees == 5
    trained = {stage.stage: stage.trained for stage in estimate(finished.profile, Basis(pilot=pilot)).stages}
    [summary] = (finished.storage.artifacts / "sft").glob("*/training.json")
    assert trained["sft"] == pytest.approx(json.loads(summary.read_text())["tokens"], rel=0.1)


def test_no_prompt_that_was_trained_on_is_held_out(finished):
    held_out = set(finished.table("held_out_questions")["prompt"])
    share = finished.profile.seeds.held_out_share
    for table in ("cot_set", "preference_pairs"):
        prompts = set(finished.table(table, "generated")["prompt"])
        assert not prompts & held_out
        assert not any(is_held_out(prompt, share) for prompt in prompts)


def test_no_question_that_training_was_watched_with_is_scored_or_trained_on(finished):
    watched = set(finished.table("watched_questions")["prompt"])
    assert len(watched) == finished.profile.watched_prompts == 16
    assert not watched & set(finished.table("held_out_questions")["prompt"])
    assert not watched & set(finished.table("seed_prompts", "generated")["prompt"])
    for checkpoint in finished.profile.checkpoints:
        asked = set(finished.table("scores", checkpoint)["question_id"])
        assert not asked & set(finished.table("watched_questions")["seed_id"])


def test_every_checkpoint_answers_every_question_greedily_and_sampled(finished):
    questions = set(finished.table("held_out_questions")["seed_id"])
    digests = set()
    for checkpoint in finished.profile.checkpoints:
        scores = finished.table("scores", checkpoint)
        assert set(scores["question_id"]) == questions
        assert set(scores["decoding"]) == {"greedy", "sampled"}
        digests |= set(scores["checkpoint_digest"])
    assert len(digests) == len(finished.profile.checkpoints), "two checkpoints have the same weights"


def test_checkpoints_are_hugging_face_folders_named_by_manifests(finished):
    manifest = json.loads(finished.storage.manifest_file("dpo_checkpoint", "joint").read_text())["student"]
    folder = finished.storage.root / manifest["location"]
    assert (folder / "model.safetensors").is_file()
    assert checkpoint_digest(folder) == manifest["digest"]


def test_the_report_is_one_page_that_names_every_checkpoint(finished):
    page = (finished.storage.reports / "tiny" / "report.html").read_text()
    assert all(name in page for name in finished.profile.checkpoints)


def test_the_web_ui_gets_counts_curves_and_samples(finished):
    told = {}
    for asset, partition in [("sft_checkpoint", None), ("chains", "generated"), ("mcts_trees", "generated")]:
        records = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=partition and [partition])
        [record] = finished.instance.fetch_materializations(records, limit=1).records
        told[asset] = {name: value.value for name, value in record.asset_materialization.metadata.items()}
    assert told["sft_checkpoint"]["loss"].startswith("![](data:image/png;base64,")
    assert told["sft_checkpoint"]["trained on"]["generated"]["rows"] == finished.table("cot_set", "generated").height
    assert told["sft_checkpoint"]["watched"].startswith("![](data:image/png;base64,")
    assert told["chains"]["lengths"].startswith("![](data:image/png;base64,")
    assert told["chains"]["dagster/row_count"] == finished.table("chains", "generated").height
    assert told["mcts_trees"]["sampled tokens"] == finished.table("trees", "generated")["tokens"].sum()
    assert "|" in told["mcts_trees"]["sample"]


def test_lineage_leads_from_a_score_to_the_models_and_the_seeds(finished):
    with open_database(finished.storage) as database:
        seeds, models = database.execute(
            "SELECT list(DISTINCT seed_id), list(DISTINCT model_digest) FROM score_origins WHERE checkpoint = 'joint'"
        ).fetchone()
        runs = database.execute("SELECT DISTINCT mlflow_run_id FROM artifacts").fetchall()
    pairs = finished.table("preference_pairs", "generated").filter(chosen_rank="shortest")
    cot = finished.table("cot_set", "generated")
    assert set(seeds) == {*pairs["seed_id"], *cot["seed_id"]}
    base = json.loads(finished.storage.manifest_file("base_models").read_text())
    assert set(models) <= {base["generator"]["digest"], base["critic"]["digest"]}
    assert base["generator"]["digest"] in models
    client = MlflowTracking(home=StorageResource(root=str(finished.storage.root))).client()
    for (run,) in runs:
        assert client.get_run(run).info.status == "FINISHED"


def test_nothing_that_was_costly_is_made_twice(finished):
    before = versions(finished)
    materialize_everything(finished)
    assert versions(finished) == before | {k: v for k, v in versions(finished).items() if k[0] == "seed_batches"}
    with open_database(finished.storage) as database:
        rows = database.execute("SELECT asset_key, reused FROM latest_artifacts").fetchall()
    assert {asset for asset, reused in rows if reused} == {*COSTLY, "thoughts"}


def test_a_change_of_one_recipe_makes_that_recipe_anew_and_nothing_else(finished):
    changes = {"recipes": {"joint": {"beta": 0.5}}}
    made = {
        recipe: finished.run("dpo_checkpoint", partition=recipe, changes=changes) for recipe in finished.profile.recipes
    }
    reused = {
        recipe: result.get_asset_materialization_events()[0].materialization.metadata["reused"].value
        for recipe, result in made.items()
    }
    assert reused == {"plain": True, "joint": False}
    finished.run("dpo_checkpoint", partition="joint")


def test_a_published_benchmark_in_the_profile_is_read_answered_and_scored_beside_the_held_out_questions(finished):
    rows = [{"question": f"Two and {n}?", "answer": f"#### {n + 2}"} for n in range(3)] + [{"question": "Three?"}]
    (finished.storage.root / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = {"evaluation": {"benchmarks": {"GSM8K": {"source": "test.jsonl", "samples": 2, "max_tokens": 8}}}}
    before = finished.table("scores", "sft")
    unread = finished.run("benchmark_scores", partition="sft", changes=changes)
    assert not unread.success
    assert finished.run("benchmark_questions", "benchmark_quarantine", changes=changes).success
    assert finished.table("benchmark_questions").height == 3
    assert finished.table("benchmark_quarantine").select("row", "field").rows() == [(4, "answer")]
    result = finished.run("benchmark_scores", partition="sft", changes=changes)
    assert result.success
    scores = finished.table("scores", "sft")
    assert scores.filter(pl.col("benchmark") != "GSM8K").equals(before)
    published = scores.filter(benchmark="GSM8K")
    assert published.group_by("decoding").len().sort("decoding").rows() == [("greedy", 3), ("sampled", 6)]
    [made] = result.get_asset_materialization_events()
    assert "accuracy, GSM8K, greedy" in made.materialization.metadata
    again = finished.run("benchmark_scores", partition="sft", changes=changes)
    assert again.get_asset_materialization_events()[0].materialization.metadata["reused"].value
    assert finished.run("benchmark_questions", "benchmark_quarantine").success
    assert finished.run("benchmark_scores", partition="sft").success
    assert finished.table("scores", "sft").equals(before)


def test_a_candidate_that_passes_its_checks_is_registered_once_and_can_be_promoted(finished, capsys):
    mild = {"evaluation": {"no_answer_limit": 1.0}, "recipes": {"joint": {"candidate": True}}}
    told = []
    for recipe in ("plain", "joint", "joint"):
        [made] = finished.run("benchmark_scores", partition=recipe, changes=mild).get_asset_materialization_events()
        told.append(made.materialization.metadata.get("registered"))
    assert [name and name.value for name in told] == [None, *["marco-tiny version 1 (joint)"] * 2]
    registry = ModelRegistry(MlflowStore.of(finished.storage))
    version = registry.find("marco-tiny", "candidate")
    manifest = json.loads(finished.storage.manifest_file("dpo_checkpoint", "joint").read_text())["student"]
    assert (version.registration.digest, version.registration.location) == (manifest["digest"], manifest["location"])
    assert marco(["promote", "joint"]) == 0
    assert "is now the champion" in capsys.readouterr().out
    assert registry.champion("marco-tiny") == version
    assert marco(["gc", "--dry-run"]) == 0
    assert capsys.readouterr().out == "would remove 0, 0 B\n"


def test_a_candidate_that_does_not_answer_fails_its_check_and_others_only_warn(finished):
    harsh = {"evaluation": {"no_answer_limit": 0.0}, "recipes": {"joint": {"candidate": True}}}
    results = {
        recipe: finished.run("benchmark_scores", partition=recipe, changes=harsh) for recipe in finished.profile.recipes
    }
    assert {recipe: result.success for recipe, result in results.items()} == {"plain": True, "joint": False}
    for result in results.values():
        [check] = [c for c in result.get_asset_check_evaluations() if c.check_name == "no_answer_rate"]
        assert not check.passed
        assert "the limit is 0.0%" in check.description
    assert finished.table("scores", "joint").height > 0
