"""The walk back, from anything that was made down to the seeds."""

import json
from collections.abc import Iterator

import pytest

from marco_dag.errors import LineageError
from marco_dag.lineage import Origin, trace
from marco_dag.storage import Storage


def everything(origin: Origin) -> Iterator[Origin]:
    yield origin
    for source in origin.made_from:
        yield from everything(source)


def told(origin: Origin, kind: str) -> dict[str, dict]:
    """What an answer tells of each thing of a kind, by id; things met again are left out."""
    return {o.id: o.facts for o in everything(origin) if o.kind == kind and o.facts != {"told": "above"}}


def assets(origin: Origin) -> set[str]:
    """Every asset (and partition) of an answer, as "asset/partition"."""
    return {"/".join(filter(None, (a["asset"], a.get("partition")))) for a in told(origin, "artifact").values()}


def test_an_artifact_names_its_run_versions_and_place(leavings):
    artifact_id = leavings.ids["chains/mine"]
    origin = trace(leavings.storage, artifact_id)
    assert (origin.kind, origin.id) == ("artifact", artifact_id)
    expected = {
        "asset": "chains",
        "partition": "mine",
        "rows": 3,
        "path": "tables/chains/mine.parquet",
        "data version": "chains/mine@1",
        "code version": "1",
        "run": "run-1",
        "mlflow run": "mlflow-chains/mine",
    }
    assert origin.facts | expected == origin.facts
    assert assets(origin) == {"chains/mine", "mcts_trees/mine", "thoughts/mine", "base_models", "seed_prompts/mine"}


@pytest.mark.parametrize(
    ("what", "artifact"),
    [
        ("sft_checkpoint", "sft_checkpoint"),
        ("chains/mine", "chains/mine"),
        ("chains/mine@1", "chains/mine"),
        ("tables/cot_set/generated.parquet", "balanced_cot/generated"),
        ("tables/thoughts/mine.parquet", "thoughts/mine"),
        ("artifacts/sft/sft-1/model", "sft_checkpoint"),
        ("artifacts/sft/sft-1", "sft_checkpoint"),
        ("artifacts/second_stage/second_stage-1/model/config.json", "dpo_checkpoint/full"),
        ("reports/report.html", "distillation_report"),
    ],
)
def test_names_and_paths_lead_to_the_same_artifact(leavings, what, artifact, monkeypatch):
    assert trace(leavings.storage, what).id == leavings.ids[artifact]
    if "/" in what and "." in what:
        assert trace(leavings.storage, str(leavings.storage.root / what)).id == leavings.ids[artifact]
        monkeypatch.chdir(leavings.storage.root.parent)
        assert trace(leavings.storage, f"data/{what}").id == leavings.ids[artifact]


def test_an_asset_with_partitions_is_the_newest_of_each(leavings):
    newer = leavings.record("chains", "mine", version="2")
    origin = trace(leavings.storage, "chains")
    assert (origin.kind, origin.facts) == ("asset", {"partitions": 2})
    assert [child.id for child in origin.made_from] == [leavings.ids["chains/generated"], newer]


def test_an_older_version_says_what_superseded_it(leavings):
    older = leavings.ids["chains/mine"]
    newer = leavings.record("chains", "mine", version="2")
    assert trace(leavings.storage, older).facts["superseded by"] == newer
    assert "superseded by" not in trace(leavings.storage, newer).facts


def test_a_seed_is_told_with_its_file(leavings):
    from_file = trace(leavings.storage, "seed-3")
    assert from_file.facts["prompt"] == "How many r?"
    assert from_file.facts["seeds file"] == "mine.jsonl"
    assert from_file.facts["seeds file digest"] == "d" * 64
    assert assets(from_file) == {"seed_prompts/mine"}
    assert "seeds file" not in trace(leavings.storage, "seed-1").facts
    assert trace(leavings.storage, "seed-q").facts["split"] == "held_out"


def test_a_tree_is_told_with_its_seed_and_the_models_that_wrote_it(leavings):
    origin = trace(leavings.storage, "tree-1")
    assert origin.facts["generator digest-of-the-generator"] == "5 thoughts"
    assert origin.facts["critic digest-of-the-critic"] == "1 thoughts"
    assert list(told(origin, "seed")) == ["seed-1", "seed-2"]  # its own, and an example of the batch's
    assert {"mcts_trees/generated", "base_models", "seed_prompts/generated"} == assets(origin)


def test_a_thought_is_told_with_those_before_it(leavings):
    origin = trace(leavings.storage, "node-3f")
    assert origin.facts["text"] == "thought f"
    assert list(told(origin, "thought")) == ["node-3f", "node-3a", "node-3d", "node-3e"]
    assert told(origin, "thought")["node-3e"]["model_digest"] == "digest-of-the-critic"
    assert told(origin, "seed")["seed-3"]["source"] == "mine.jsonl"


def test_a_pair_is_told_with_both_chains_their_thoughts_their_tree_and_seed(leavings):
    origin = trace(leavings.storage, "pair-2")
    assert set(told(origin, "chain")) == {"chain-2c", "chain-2d"}
    assert set(told(origin, "thought")) == {"node-2a", "node-2b", "node-2c", "node-2d"}
    assert set(told(origin, "tree")) == {"tree-2"}
    assert "seed-2" in told(origin, "seed")
    assert {"preference_pairs/generated", "chains/generated", "thoughts/generated"} < assets(origin)


def test_a_chain_is_told_with_its_leaf_last(leavings):
    origin = trace(leavings.storage, "chain-3f")
    assert [child.id for child in origin.made_from[:4]] == ["node-3a", "node-3d", "node-3e", "node-3f"]


def test_a_score_is_told_with_its_answers_its_question_and_what_its_checkpoint_was_trained_on(leavings):
    origin = trace(leavings.storage, "full/seed-q")
    assert origin.facts["checkpoint digest"] == "digest-of-full"
    assert origin.facts["scored by"] == leavings.ids["benchmark_scores/full"]
    assert [answer["decoding"] for answer in origin.facts["answers"]] == ["greedy", "sampled"]
    assert [child.id for child in origin.made_from] == ["seed-q", leavings.ids["dpo_checkpoint/full"]]
    assert told(origin, "training set")["preference_pairs"] == {
        "examples": 3,
        "chains": 6,
        "trees": 3,
        "thoughts": 12,
        "seeds": 3,
        "seed_sources": ["generated", "mine.jsonl"],
        "first_seeds": ["seed-1", "seed-2", "seed-3"],
        "generator digest-of-the-generator": "12 thoughts",
    }
    assert told(origin, "training set")["cot_set"]["critic digest-of-the-critic"] == "3 thoughts"
    assert {"seed_prompts/generated", "seed_prompts/mine", "base_models", "sft_checkpoint"} < assets(origin)


def test_a_base_students_score_has_its_model_and_no_training(leavings):
    origin = trace(leavings.storage, "base/seed-q")
    assert [child.id for child in origin.made_from] == ["seed-q", leavings.ids["base_models"]]
    assert told(origin, "training set") == {}


def test_a_score_of_a_published_benchmark_is_told_with_its_question_and_where_that_was_read(leavings):
    question = {"question_id": "question-1", "benchmark": "GSM8K", "question": "Two and two?", "source": "test.jsonl"}
    leavings.fill("benchmark_questions", "benchmark_questions", None, [question])
    answers = [
        {"checkpoint": "full", "benchmark": "GSM8K", "question_id": "question-1", "decoding": "greedy", "turn": turn}
        for turn in (1, 2)
    ]
    made_from = ["benchmark_questions", "dpo_checkpoint/full"]
    leavings.fill("benchmark_scores", "scores", "full", answers, made_from)
    origin = trace(leavings.storage, "full/question-1")
    assert [answer["turn"] for answer in origin.facts["answers"]] == [1, 2]
    assert [child.id for child in origin.made_from] == ["question-1", leavings.ids["dpo_checkpoint/full"]]
    assert told(origin, "question")["question-1"]["source"] == "test.jsonl"
    assert {"benchmark_questions", "sft_checkpoint", "seed_prompts/mine"} < assets(origin)


def test_training_sets_that_changed_since_are_marked(leavings):
    leavings.record("balanced_cot", "mine", version="2")
    facts = told(trace(leavings.storage, "sft_checkpoint"), "training set")["cot_set"]
    assert facts["note"] == "the tables have changed since"


def test_thousands_are_summed_up_with_a_few_examples(leavings):
    question = {"task": "letters", "prompt": "?", "reference": "{}", "source": "big.jsonl", "split": "train"}
    seeds = [question | {"seed_id": f"big-{n:04}", "batch": "big"} for n in range(2000)]
    leavings.fill("seed_prompts", "seed_prompts", "big", seeds)
    origin = trace(leavings.storage, "seed_prompts/big")
    assert list(told(origin, "seeds")) == ["2000 seeds"]
    assert list(told(origin, "seed")) == ["big-0000", "big-0001", "big-0002"]

    partitions = [f"seed_prompts/{leavings.record('seed_prompts', f'b{n:02}') and f'b{n:02}'}" for n in range(40)]
    leavings.record("sft_checkpoint", made_from=partitions, version="2")
    origin = trace(leavings.storage, "sft_checkpoint")
    assert "37 more partitions of seed_prompts" in told(origin, "artifacts")
    assert sum(1 for _ in everything(origin)) < 50


def test_everything_is_told_once(leavings):
    origin = trace(leavings.storage, "distillation_report")
    full = [o.id for o in everything(origin) if o.kind == "artifact" and o.facts != {"told": "above"}]
    assert len(full) == len(set(full))
    assert len(leavings.ids) == len(full)


def test_the_answer_is_json(leavings):
    answer = json.loads(json.dumps(trace(leavings.storage, "full/seed-q").to_json()))
    assert answer["kind"] == "score"
    assert answer["made_from"][0]["id"] == "seed-q"


@pytest.mark.parametrize(
    "what", ["", "nothing", "full/seed-1", "no/such/path", "/etc/passwd", "..", "seed-%", "' OR 1=1"]
)
def test_what_nobody_recorded_is_refused_with_what_is_accepted(leavings, what):
    with pytest.raises(
        LineageError, match=r"has no recorded origin\. Give an artifact id; .* Assets recorded here: balanced_cot"
    ):
        trace(leavings.storage, what)


def test_an_empty_root_says_so(tmp_path):
    with pytest.raises(LineageError, match=r"nothing is recorded below .*MARCO_HOME"):
        trace(Storage(tmp_path), "sft_checkpoint")
