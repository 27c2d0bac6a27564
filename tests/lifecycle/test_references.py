"""What refers to an artifact: a manifest, the newest materialization, a score, an alias, a whole that it is part of."""

import pytest

from marco_dag.errors import LineageError, StorageError
from marco_dag.lifecycle import find_references, take_inventory
from marco_dag.registry import ModelRegistry, Registration


def references(stock):
    return find_references(stock.storage, stock.mlflow, take_inventory(stock.storage))


def test_nothing_refers_to_what_was_only_made(stock):
    stock.make("sft", "a")
    assert references(stock) == {}


def test_a_manifest_refers_to_the_checkpoints_it_names(stock):
    old, new = stock.make("sft", "old"), stock.make("sft", "new")
    stock.name_in_manifest("sft_checkpoint", None, old)
    stock.name_in_manifest("sft_checkpoint", None, new)
    assert references(stock) == {new.name: ["manifests/sft_checkpoint/all.json (student)"]}


def test_the_newest_materialization_of_each_partition_refers_to_what_it_was_read_from(stock):
    first, second, other = (stock.make("trees", name) for name in ("first", "second", "other"))
    stock.record("mcts_trees", "generated", first, version="1")
    stock.record("mcts_trees", "generated", second, version="2")
    stock.record("mcts_trees", "mine", other)
    assert references(stock) == {
        second.name: ["latest mcts_trees/generated"],
        other.name: ["latest mcts_trees/mine"],
    }


def test_an_event_from_before_artifacts_were_named_refers_by_its_data_version(stock):
    trees = stock.make("trees", "old")
    stock.record("mcts_trees", "generated", None, version=trees.name)
    assert references(stock) == {trees.name: ["latest mcts_trees/generated"]}


def test_scores_refer_to_the_checkpoint_they_are_of_after_it_was_replaced(stock):
    scored, newer = stock.make("second_stage", "scored"), stock.make("second_stage", "newer")
    checkpoint = stock.record("dpo_checkpoint", "full", scored, version="1")
    scores = stock.make("scores", "full")
    stock.record("benchmark_scores", "full", scores, inputs=[checkpoint])
    stock.record("dpo_checkpoint", "full", newer, version="2")
    stock.name_in_manifest("dpo_checkpoint", "full", newer)
    assert references(stock)[scored.name] == ["scored: full"]
    stock.record("benchmark_scores", "full", scores, version="of the newer")
    assert scored.name not in references(stock)


def test_parts_are_referred_to_with_their_whole_at_any_depth(stock):
    inner = stock.make("answers", "inner")
    middle = stock.make("answers", "middle", parts=[inner.name])
    whole = stock.make("scores", "whole", parts=[middle.name])
    assert references(stock) == {}
    stock.record("benchmark_scores", "full", whole)
    assert references(stock)[inner.name] == [f"part of {middle.name}"]
    assert references(stock)[middle.name] == [f"part of {whole.name}"]


@pytest.mark.slow
def test_an_alias_refers_to_its_checkpoint_and_to_its_scores(stock):
    checkpoint, scores = stock.make("second_stage", "full"), stock.make("scores", "full")
    registry = ModelRegistry(stock.mlflow)
    location = stock.storage.relative(checkpoint / "model")
    registration = Registration("full", "digest", location, checkpoint.name, scores.name)
    registry.register("marco-tiny", registration, source=str(checkpoint), run_id=None)
    assert references(stock) == {
        checkpoint.name: ["candidate: marco-tiny version 1 (full)"],
        scores.name: ["scores of candidate: marco-tiny version 1 (full)"],
    }


def test_what_cannot_be_read_is_an_error_and_not_taken_for_unreferenced(stock):
    manifest = stock.name_in_manifest("sft_checkpoint", None, stock.make("sft", "a"))
    manifest.write_text("{")
    with pytest.raises(StorageError, match=r"all\.json: not a manifest of models .* materialize sft_checkpoint anew"):
        references(stock)
    manifest.unlink()
    stock.storage.events.mkdir(parents=True)
    (stock.storage.events / "broken.json").write_text("{")
    with pytest.raises(LineageError, match=r"broken\.json"):
        references(stock)
