"""What makes a model fit changes the memory it takes; what it learns stays the same, or is close where bits are cut."""

import importlib.util

import pytest
from safetensors.torch import load_file

from marco_dag.errors import TrainingError
from marco_dag.training import LoraConfig, RecipeConfig, SftConfig, train_recipe, train_sft

SFT = SftConfig(learning_rate=3e-3, batch_size=8, max_tokens=128)
RECIPE = RecipeConfig(
    description="a test", learning_rate=1e-3, batch_size=8, max_tokens=128, label_smoothing=0.2, sft_weight=1.0
)
WITHOUT_BITSANDBYTES = importlib.util.find_spec("bitsandbytes") is None


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4, dropout=0.2)], ids=["full", "lora"])
@pytest.mark.parametrize("stage", ["sft", "recipe"])
def test_checkpointed_activations_give_the_same_losses_and_weights(tmp_path, student, cot_set, pairs, stage, lora):
    train, rows, config = {"sft": (train_sft, cot_set, SFT), "recipe": (train_recipe, pairs, RECIPE)}[stage]
    curves = {}
    for kept in (True, False):
        how = config.model_copy(update={"lora": lora, "activation_checkpointing": not kept})
        curves[kept] = train(student, rows, how, seed=1, folder=tmp_path / str(kept)).curve
    assert curves[True].equals(curves[False])
    kept, computed = (tmp_path / str(kept) / "model" / "model.safetensors" for kept in (True, False))
    assert kept.read_bytes() == computed.read_bytes()


def test_checkpointing_keeps_less_for_the_backward_pass(new_preference_trainer, pairs):
    import torch

    saved = {}
    for checkpointing in (False, True):
        trainer = new_preference_trainer(pairs, RECIPE.model_copy(update={"activation_checkpointing": checkpointing}))
        if checkpointing:
            trainer.model.activation_checkpointing_enable()
        trainer.model.train()
        kept: list[int] = []

        def keep(tensor, kept=kept):
            kept.append(tensor.numel())
            return tensor

        batch = next(iter(trainer.get_train_dataloader()))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            trainer.compute_loss(trainer.model, batch)
        saved[checkpointing] = sum(kept)
    assert saved[True] < 0.5 * saved[False]


@pytest.mark.parametrize("stage", ["sft", "recipe"])
def test_bfloat16_trains_float32_weights_to_nearly_the_same(tmp_path, student, cot_set, pairs, stage):
    train, rows, config = {"sft": (train_sft, cot_set, SFT), "recipe": (train_recipe, pairs, RECIPE)}[stage]
    exact = train(student, rows, config, seed=1, folder=tmp_path / "float32").curve["loss"]
    halved = train(student, rows, config.model_copy(update={"bf16": True}), seed=1, folder=tmp_path / "bf16").curve
    assert halved["loss"].to_list() == pytest.approx(exact.to_list(), abs=0.02)
    assert not halved["loss"].equals(exact)
    assert exact[0] - exact[-1] > 0.05
    assert {str(tensor.dtype) for tensor in weights(tmp_path / "bf16" / "model").values()} == {"torch.float32"}


def test_4_bits_without_bitsandbytes_say_what_to_install(tmp_path, student, cot_set, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    config = SFT.model_copy(update={"lora": LoraConfig(rank=4, quantize="nf4")})
    with pytest.raises(
        TrainingError, match=r"needs bitsandbytes; `scripts/install.py --qlora` has it. Or set it to null."
    ):
        train_sft(student, cot_set, config, seed=0, folder=tmp_path)


@pytest.fixture
def blocky_student(tmp_path, tokenizer, new_model):
    """A checkpoint whose matrices are made of whole blocks of 64 weights, which 4 bits are computed by."""
    folder = tmp_path / "student"
    new_model(family="Llama", hidden_size=64, intermediate_size=128).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.skipif(WITHOUT_BITSANDBYTES, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("stage", ["sft", "recipe"])
def test_adapters_on_4_bits_become_an_ordinary_checkpoint(tmp_path, blocky_student, cot_set, pairs, stage):
    """Saved are the values that the 4 bits stand for plus the adapters' product."""
    import torch
    from transformers import AutoModelForCausalLM

    train, rows, config = {"sft": (train_sft, cot_set, SFT), "recipe": (train_recipe, pairs, RECIPE)}[stage]
    lora = LoraConfig(rank=4, quantize="nf4")
    folders = {epochs: tmp_path / f"{epochs}" for epochs in (0.1, 4)}  # the first is one step of learning rate 0
    curves = {
        epochs: train(
            blocky_student, rows, config.model_copy(update={"lora": lora, "epochs": epochs}), seed=1, folder=folder
        ).curve
        for epochs, folder in folders.items()
    }
    assert curves[4]["loss"][-1] < curves[4]["loss"][0] - 0.02

    before = weights(blocky_student)
    rounded, trained = (weights(folder / "model") for folder in folders.values())
    assert before.keys() == rounded.keys() == trained.keys()
    assert {str(tensor.dtype) for tensor in trained.values()} == {"torch.float32"}
    projections = [name for name in before if "_proj" in name]
    for name in before.keys() - set(projections):
        assert torch.equal(before[name], trained[name])
    for name in projections:
        assert 0 < (rounded[name] - before[name]).abs().max() < 0.2 * before[name].abs().max()
        assert torch.linalg.matrix_rank(trained[name] - rounded[name], rtol=1e-3) == 4
    assert not hasattr(AutoModelForCausalLM.from_pretrained(folders[4] / "model").config, "quantization_config")
