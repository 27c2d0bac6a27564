"""Trainings that are really broken: by their weights, their learning rate, their checkpoint."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from marco_dag.errors import TrainingError
from marco_dag.training import RecipeConfig, SftConfig, train_recipe, train_sft

SFT = SftConfig(learning_rate=1e-2, epochs=4, batch_size=8, max_tokens=128, checkpoint_every=1)
RECIPE = RecipeConfig(
    description="a test", learning_rate=1e-3, epochs=4, batch_size=8, max_tokens=128, checkpoint_every=1,
    label_smoothing=0.2, sft_weight=1.0,
)  # fmt: skip


def last_good_state(message: str) -> Path:
    return Path(re.search(r"last good state: (\S+);", message).group(1))


@pytest.fixture
def sums_and_a_rare_letter(sums):
    """The sums, and one chain more that holds a letter no other does."""
    return [*sums, ("z?", "<answer>0</answer>", "<answer>1</answer>")]


@pytest.fixture
def student_that_fails_at_z(tmp_path, student, tokenizer):
    """A student whose embedding of one letter is no number; its head is its own, so that all else is as before."""
    model = AutoModelForCausalLM.from_pretrained(student)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach().clone())
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("z")] = float("nan")
    folder = tmp_path / "fails-at-z"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_loss_that_is_no_number_names_the_step_its_examples_and_the_last_good_state(
    tmp_path, student_that_fails_at_z, make_cot, sums_and_a_rare_letter
):
    cot = make_cot([(prompt, right) for prompt, right, _ in sums_and_a_rare_letter])
    with pytest.raises(TrainingError, match=r"step \d+: the loss is nan; lower learning_rate") as raised:
        train_sft(student_that_fails_at_z, cot, SFT, seed=3, folder=tmp_path / "run")
    message = str(raised.value)
    named = re.search(r"examples of this step: (.*)", message).group(1).split(", ")
    assert "chain-040" in named
    assert len(named) == len(set(named)) <= SFT.batch_size

    step = int(re.search(r"step (\d+):", message).group(1))
    assert step > 2
    # The weights after the step before gave this loss; those one earlier are the last that gave a sound one.
    assert last_good_state(message).name == f"checkpoint-{step - 2}"
    assert not (tmp_path / "run" / "model").exists()
    assert not (tmp_path / "run" / "states" / f"checkpoint-{step}").exists()


def test_without_the_example_the_same_student_trains(tmp_path, student_that_fails_at_z, cot_set):
    summary = train_sft(student_that_fails_at_z, cot_set, SFT.model_copy(update={"epochs": 1}), seed=3, folder=tmp_path)
    assert summary.steps == 5


def test_weights_that_are_broken_from_the_start_leave_no_state(tmp_path, new_model, tokenizer, cot_set):
    broken = new_model(family="Llama")
    with torch.no_grad():
        broken.model.norm.weight[0] = float("nan")
    broken.save_pretrained(tmp_path / "broken")
    tokenizer.save_pretrained(tmp_path / "broken")
    with pytest.raises(TrainingError, match=r"step 1: the loss is nan.*last good state: none was saved"):
        train_sft(tmp_path / "broken", cot_set, SFT, seed=0, folder=tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()
    assert not list((tmp_path / "run" / "states").glob("checkpoint-*"))


def test_a_broken_reference_is_refused_before_the_first_step(
    tmp_path, student_that_fails_at_z, make_pairs, sums_and_a_rare_letter
):
    with pytest.raises(TrainingError, match=r"1 of 41 pairs a log-probability that is no.* first pair-040"):
        train_recipe(
            student_that_fails_at_z, make_pairs(sums_and_a_rare_letter), RECIPE, seed=0, folder=tmp_path / "run"
        )
    assert not list((tmp_path / "run" / "states").glob("checkpoint-*"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, student, cot_set):
    """A student that has learnt something, and so has something to lose."""
    folder = tmp_path_factory.mktemp("trained")
    train_sft(student, cot_set, SFT, seed=0, folder=folder)
    return folder / "model"


@pytest.fixture(params=["sft", "recipe"])
def train(request, cot_set, pairs, trained, tmp_path):
    """A function (fields of the configuration) that trains the student further, in either stage."""

    def run(**fields):
        if request.param == "sft":
            return train_sft(trained, cot_set, SFT.model_copy(update=fields), seed=0, folder=tmp_path / "run")
        return train_recipe(trained, pairs, RECIPE.model_copy(update=fields), seed=0, folder=tmp_path / "run")

    return run


def test_an_absurd_learning_rate_is_stopped_and_the_named_state_is_good(tmp_path, train, cot_set):
    with pytest.raises(TrainingError, match=r"step \d+: the loss exploded: the median of the last 5 steps") as raised:
        train(learning_rate=1.0)
    state = last_good_state(str(raised.value))
    assert state.parent == tmp_path / "run" / "states"
    assert not (tmp_path / "run" / "model").exists()

    # It is an ordinary checkpoint folder: a training at a sane rate starts from it, with a loss that has not exploded.
    shutil.copytree(state, tmp_path / "good")
    sane = SFT.model_copy(update={"learning_rate": 1e-3, "epochs": 1})
    again = train_sft(tmp_path / "good", cot_set, sane, seed=0, folder=tmp_path / "again")
    assert again.curve["loss"][0] < SFT.max_loss_rise


def test_the_limit_is_the_configurations(train):
    assert train(learning_rate=1.0, max_loss_rise=1e9).steps == 20


def test_a_high_but_bearable_learning_rate_is_left_alone(train):
    assert train(learning_rate=2e-2).steps == 20
