"""The student's own trees, and training on them; a real search by a scripted writer."""

import json
import random

import polars as pl
import pytest

from marco_dag.curation import CurationConfig
from marco_dag.engines import ScriptedEngine, checkpoint_digest
from marco_dag.errors import SearchError, TrainingError
from marco_dag.identity import content_id
from marco_dag.on_policy import on_policy_round
from marco_dag.schemas import SEED_PROMPTS
from marco_dag.search import SearchConfig
from marco_dag.training import RecipeConfig

SEARCH = SearchConfig(openings={}, instructions="", rollouts=4)
RECIPE = RecipeConfig(
    description="a test", learning_rate=1e-3, batch_size=8, max_tokens=256, label_smoothing=0.2, sft_weight=1.0
)


def seeds(count=12):
    rows = []
    for number in range(count):
        prompt, reference = f"how many a in a{number}?", json.dumps({"word": f"a{number}", "letter": "a"})
        rows.append((content_id("seed", prompt), "letters", prompt, reference, "generated", "train", "first"))
    return pl.DataFrame(rows, schema=SEED_PROMPTS, orient="row")


def write(request, sample):
    """Right half of the time."""
    draw = random.Random(f"{request.seed} {sample}")
    text = draw.choice("12") if request.stop[0] == "</answer>" else f"step {draw.randrange(1000)}"
    return text + request.stop[0]


def never_right(request, sample):
    return "9" + request.stop[0]


def nobody(request, sample):
    raise AssertionError("what was searched is not searched again")


def play(student, folder, writer=write, digest=None, recipe=RECIPE, tokens=None):
    generator = ScriptedEngine(writer, digest or checkpoint_digest(student))
    return on_policy_round(
        student, seeds(), {"generator": generator, "critic": ScriptedEngine(writer)},
        search=SEARCH, curation=CurationConfig(), recipe=recipe, seed=3, folder=folder, tokens=tokens,
    )  # fmt: skip


def test_the_student_learns_from_the_pairs_of_its_own_trees(tmp_path, student):
    summary = play(student, tmp_path)
    thoughts = pl.read_parquet(tmp_path / "trees" / "thoughts.parquet")
    assert set(thoughts.filter(role="generator")["model_digest"]) == {checkpoint_digest(student)}
    assert summary.examples > 6
    assert checkpoint_digest(tmp_path / "model") != checkpoint_digest(student)


def test_called_again_nothing_is_searched_or_trained_again(tmp_path, student):
    before = play(student, tmp_path)
    weights = (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns
    again = play(student, tmp_path, writer=nobody)
    assert again.curve.equals(before.curve)
    assert (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns == weights


def test_training_tokens_can_be_given(tmp_path, student):
    once = play(student, tmp_path / "once")
    thrice = play(student, tmp_path / "thrice", tokens=3 * once.tokens)
    assert thrice.tokens == 3 * once.tokens


def test_another_generator_is_refused(tmp_path, student):
    with pytest.raises(SearchError, match="the generator is not the student"):
        play(student, tmp_path, digest="the teacher's")


@pytest.mark.parametrize("tokens", [None, 1000])
def test_trees_without_a_correct_chain_are_named(tmp_path, student, tokens):
    with pytest.raises(TrainingError, match="grow more trees"):
        play(student, tmp_path, writer=never_right, tokens=tokens)
