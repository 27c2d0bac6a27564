"""However an optimizer step is split into micro-batches, it takes the same gradient, under every objective."""

import pytest
import torch

from marco_dag.training import RecipeConfig, SftConfig
from marco_dag.training.assembly import supervised_trainer
from marco_dag.training.examples import sft_examples

PARTS = (1, 2, 4)
COMMON = {"batch_size": 8, "learning_rate": 1e-3, "max_tokens": 128}
OWN_SMOOTHING = [0.0, 0.1, None, 0.3, 0.5, 0.05, None]

OBJECTIVES = {
    "control": {"preference_weight": 0.0, "sft_weight": 1.0},
    "control, tail alone": {"preference_weight": 0.0, "sft_weight": 1.0, "prefix_masking": "dpo+sft"},
    "dpo": {},
    "cdpo": {"label_smoothing": 0.2},
    "value-weighted cdpo": {"label_smoothing": 0.2, "smoothing_from": "pair"},
    "joint": {"label_smoothing": 0.2, "sft_weight": 1.0},
    "joint, masked": {"label_smoothing": 0.2, "sft_weight": 1.0, "prefix_masking": "dpo+sft"},
    "length-normalised": {"length_normalised": True, "beta": 5.0, "prefix_masking": "dpo"},
    "ld-dpo": {"ld_alpha": 0.4},
}


def step_of(trainer, parts, items):
    """Loss and gradient of the first optimizer step, in as many micro-batches."""
    batches, counted = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), parts, torch.device("cpu"))
    assert len(batches) == parts
    assert counted == items
    trainer.model.zero_grad()
    loss = sum(trainer.training_step(trainer.model, batch, counted) for batch in batches)
    return loss, torch.cat([parameter.grad.flatten() for parameter in trainer.model.parameters()])


def assert_same(steps):
    loss, gradient = steps[0]
    assert gradient.norm() > 1e-3
    for other_loss, other_gradient in steps[1:]:
        assert other_loss.item() == pytest.approx(loss.item(), rel=1e-5)
        assert (other_gradient - gradient).norm() / gradient.norm() < 1e-5


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_recipes_gradient_does_not_depend_on_accumulation(new_preference_trainer, move_away, make_pairs, sums, name):
    """Seven pairs of many lengths in one optimizer step, whole or in micro-batches of uneven size."""
    import polars as pl

    frame = make_pairs(sums[:7]).with_columns(label_smoothing=pl.Series(OWN_SMOOTHING, dtype=pl.Float64))
    steps = []
    for parts in PARTS:
        recipe = RecipeConfig(description="a test", gradient_accumulation=parts, **COMMON | OBJECTIVES[name])
        trainer = new_preference_trainer(frame, recipe)
        move_away(trainer.model)
        steps.append(step_of(trainer, parts, items=7))
    assert_same(steps)


def test_the_gradient_of_sft_does_not_depend_on_accumulation(tmp_path, tokenizer, new_model, make_cot, sums):
    examples, _ = sft_examples(make_cot([(prompt, right) for prompt, right, _ in sums[:7]]), tokenizer, 128)
    steps = []
    for parts in PARTS:
        config = SftConfig(gradient_accumulation=parts, **COMMON)
        trainer = supervised_trainer(config, new_model(), tokenizer, examples, seed=0, states=tmp_path)
        steps.append(step_of(trainer, parts, items=sum(len(example.completion) for example in examples)))
    assert_same(steps)
