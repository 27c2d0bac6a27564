"""Training on packed rows beside training on padded ones: the same losses, gradients and references, stage by stage."""

import pytest
import torch

from marco_dag.errors import TrainingError
from marco_dag.training import LoraConfig, RecipeConfig, SftConfig, train_recipe, train_sft
from marco_dag.training.assembly import supervised_trainer
from marco_dag.training.examples import sft_examples
from marco_dag.training.packing import PACKED

SFT = {"learning_rate": 1e-3, "batch_size": 24, "max_tokens": 128}
RECIPE = {"description": "a test", "learning_rate": 1e-3, "batch_size": 24, "max_tokens": 128}
FULL = {"label_smoothing": 0.2, "sft_weight": 1.0, "prefix_masking": "dpo"}
CONTROL = {"preference_weight": 0.0, "sft_weight": 1.0}
IN_PARTS = {"row_tokens": 60, "forward_tokens": 100}


@pytest.fixture(scope="module")
def tree_rows(sums):
    """(prompt, right chain, wrong chain): four of each of six prompts, which share how they begin."""
    beginning = "<thinking>first and second</thinking>"
    return [
        (prompt, f"{beginning}{'and ' * turn}{right}", f"{beginning}{'so ' * turn}{wrong}")
        for prompt, right, wrong in sums[:6]
        for turn in range(4)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def tree_pairs(make_pairs, tree_rows):
    return make_pairs(tree_rows)


@pytest.fixture(scope="module")
def tree_cot(make_cot, tree_rows):
    return make_cot([(prompt, right) for prompt, right, _ in tree_rows])


@pytest.fixture
def new_supervised_trainer(tmp_path, tokenizer, new_model, tree_cot):
    def build(config, model=None):
        examples, _ = sft_examples(tree_cot, tokenizer, config.max_tokens)
        return supervised_trainer(config, model or new_model(), tokenizer, examples, seed=0, states=tmp_path / "states")

    return build


def step_of(trainer):
    """Loss and gradients of the first optimizer step, over its micro-batches."""
    parts = trainer.args.gradient_accumulation_steps
    batches, items = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), parts, torch.device("cpu"))
    trainer.model.zero_grad()
    loss = sum(trainer.training_step(trainer.model, batch, items) for batch in batches)
    return loss.item(), {name: weight.grad.clone() for name, weight in trainer.model.named_parameters()}


def move(model, new_model):
    """Away from the reference, which was taken when the trainer was built."""
    with torch.no_grad():
        for parameter, other in zip(model.parameters(), new_model(seed=7).parameters(), strict=True):
            parameter.add_(other, alpha=3.0)


def assert_same_step(packed, padded):
    assert packed[0] == pytest.approx(padded[0], rel=1e-5)
    for name, gradient in padded[1].items():
        assert gradient.abs().max() > 1e-5
        torch.testing.assert_close(packed[1][name], gradient, rtol=0, atol=1e-5, msg=name)


@pytest.mark.parametrize("settings", [{}, {"gradient_accumulation": 3}, IN_PARTS])
def test_a_step_of_sft_is_the_same(new_supervised_trainer, settings):
    packed = new_supervised_trainer(SftConfig(**SFT | settings))
    padded = new_supervised_trainer(SftConfig(**SFT, packing="none"))
    assert PACKED in next(iter(packed.get_train_dataloader()))
    assert_same_step(step_of(packed), step_of(padded))


@pytest.mark.parametrize("objective", [{}, FULL, CONTROL])
@pytest.mark.parametrize("settings", [{}, {"gradient_accumulation": 3}, IN_PARTS])
def test_a_step_of_the_second_stage_is_the_same(new_preference_trainer, new_model, tree_pairs, objective, settings):
    steps = []
    for own in (settings, {"packing": "none"}):
        trainer = new_preference_trainer(tree_pairs, RecipeConfig(**RECIPE | objective | own))
        move(trainer.model, new_model)
        steps.append(step_of(trainer))
    assert_same_step(*steps)


@pytest.mark.parametrize("settings", [{}, IN_PARTS])
def test_references_are_the_same(new_preference_trainer, tree_pairs, settings):
    packed = new_preference_trainer(tree_pairs, RecipeConfig(**RECIPE | settings)).train_dataset
    padded = new_preference_trainer(tree_pairs, RecipeConfig(**RECIPE, packing="none")).train_dataset
    for side in ("ref_chosen_logps", "ref_rejected_logps"):
        assert packed[side] == pytest.approx(padded[side], abs=1e-4)
        assert len(set(packed[side])) > 10


def test_whole_runs_have_the_same_curves(tmp_path, student, tree_cot, tree_pairs):
    """One step an epoch takes every example, so that the order makes no difference."""
    for stage, rows, train, config in (
        ("sft", tree_cot, train_sft, SftConfig(**SFT, epochs=4)),
        ("second", tree_pairs, train_recipe, RecipeConfig(**RECIPE, **FULL, epochs=4)),
        ("lora", tree_pairs, train_recipe, RecipeConfig(**RECIPE, **FULL, epochs=4, lora=LoraConfig(rank=4))),
    ):
        packed = train(student, rows, config, seed=0, folder=tmp_path / f"{stage}-tree").curve
        plain = config.model_copy(update={"packing": "none"})
        padded = train(student, rows, plain, seed=0, folder=tmp_path / f"{stage}-none").curve
        assert packed.columns == padded.columns
        assert packed["tokens"].equals(padded["tokens"])
        for name in packed.columns:
            assert packed[name].to_list() == pytest.approx(padded[name].to_list(), rel=1e-3, abs=1e-4), (stage, name)


def test_bfloat16_is_as_near_as_bfloat16_is(tmp_path, student, tree_cot):
    curves = [
        train_sft(
            student, tree_cot, SftConfig(**SFT, bf16=True, packing=packing), seed=0, folder=tmp_path / packing
        ).curve
        for packing in ("tree", "none")
    ]
    assert curves[0]["loss"][0] == pytest.approx(curves[1]["loss"][0], rel=1e-2)


def test_what_cannot_be_packed_exactly_says_what_to_set(tmp_path, tokenizer, tree_cot):
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2))
    examples, _ = sft_examples(tree_cot, tokenizer, 128)
    with pytest.raises(TrainingError, match=r"the checkpoint is a gpt2; set packing: none for this stage"):
        supervised_trainer(SftConfig(**SFT), model, tokenizer, examples, seed=0, states=tmp_path)
