"""Equal training tokens: what an epoch sends through the model, and how many epochs a number of tokens is."""

import math

import pytest

from marco_dag.errors import TrainingError
from marco_dag.training import RecipeConfig, recipe_within_tokens, tokens_per_epoch, train_recipe

PAIRED = RecipeConfig(description="both sides", learning_rate=1e-4, batch_size=8, max_tokens=128, sft_weight=1.0)
CONTROL = PAIRED.model_copy(update={"preference_weight": 0.0})


@pytest.mark.parametrize("recipe", [PAIRED, CONTROL], ids=["both sides", "the chosen side"])
def test_an_epoch_counts_what_training_counts(tmp_path, student, pairs, recipe):
    summary = train_recipe(student, pairs, recipe, seed=0, folder=tmp_path)
    assert tokens_per_epoch(recipe, student, pairs) == summary.tokens


def test_by_hand(student, make_pairs):
    pairs = make_pairs([("a?", "<answer>b</answer>", "<answer>cd</answer>")])
    prompt = len(["<user>", "a", "?", "<assistant>"])
    chosen, rejected = len(["<answer>", "b", "</answer>", "<eos>"]), len(["<answer>", "c", "d", "</answer>", "<eos>"])
    assert tokens_per_epoch(CONTROL, student, pairs) == prompt + chosen
    assert tokens_per_epoch(PAIRED, student, pairs) == 2 * prompt + chosen + rejected


def test_pairs_that_the_recipe_would_not_train_on_count_nothing(student, make_pairs, sums):
    pairs = make_pairs(sums[:8])
    short = PAIRED.model_copy(update={"max_tokens": 40})
    assert 0 < tokens_per_epoch(short, student, pairs) < tokens_per_epoch(PAIRED, student, pairs)
    with pytest.raises(TrainingError, match="whose chosen chain is the longest"):
        tokens_per_epoch(PAIRED.model_copy(update={"chosen": "longest"}), student, pairs)


@pytest.mark.parametrize("recipe", [PAIRED, CONTROL], ids=["both sides", "the chosen side"])
@pytest.mark.parametrize("epochs", [1, 2, 3.4, 7.7])
def test_recipes_meet_the_same_tokens(tmp_path, student, pairs, recipe, epochs):
    wanted = epochs * tokens_per_epoch(PAIRED, student, pairs)
    fitted = recipe_within_tokens(recipe, student, pairs, wanted)
    summary = train_recipe(student, pairs, fitted, seed=0, folder=tmp_path)
    per_step = summary.tokens / summary.steps
    assert abs(summary.tokens - wanted) <= per_step  # steps differ in length, and only whole ones are taken
    assert fitted.model_copy(update={"epochs": recipe.epochs}) == recipe


@pytest.mark.parametrize("steps", range(1, 40, 3))
def test_whole_steps_are_met_whatever_the_division_rounds_to(student, make_pairs, sums, steps):
    pairs = make_pairs(sums[:7])
    recipe = PAIRED.model_copy(update={"batch_size": 1})
    epoch = tokens_per_epoch(recipe, student, pairs)
    fitted = recipe_within_tokens(recipe, student, pairs, steps * epoch / 7)
    assert math.ceil(fitted.epochs * 7) == steps


def test_fewer_tokens_than_a_step_are_one_step(student, pairs):
    fitted = recipe_within_tokens(PAIRED, student, pairs, 1)
    assert 0 < fitted.epochs * 5 <= 1
