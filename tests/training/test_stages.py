"""The two stages from a checkpoint folder to the next."""

import math
import shutil
import subprocess
import sys

import polars as pl
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from marco_dag.errors import TrainingError
from marco_dag.training import LoraConfig, RecipeConfig, SftConfig, read_summary, train_recipe, train_sft

SFT = SftConfig(learning_rate=1e-2, epochs=2, batch_size=8, max_tokens=128)  # 40 chains: 10 steps
RECIPE = RecipeConfig(description="a test", learning_rate=1e-3, epochs=2, batch_size=8, max_tokens=128)
FULL = RECIPE.model_copy(update={"label_smoothing": 0.2, "sft_weight": 1.0, "prefix_masking": "dpo"})


@pytest.fixture(scope="module")
def sft_run(tmp_path_factory, student, cot_set):
    folder = tmp_path_factory.mktemp("sft")
    return folder, train_sft(student, cot_set, SFT, seed=5, folder=folder)


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


def token_log_probs(model, prompt, completion):
    """Log-probabilities of the completion's tokens, one unpadded sequence."""
    ids = torch.tensor([prompt + completion])
    with torch.no_grad():
        log_probs = model(input_ids=ids).logits[0, :-1].log_softmax(dim=-1)
    return log_probs.gather(-1, ids[0, 1:, None]).squeeze(-1)[len(prompt) - 1 :]


def encode(tokenizer, prompt, completion):
    return (
        tokenizer(f"<user>{prompt}<assistant>", add_special_tokens=False)["input_ids"],
        tokenizer(f"{completion}<eos>", add_special_tokens=False)["input_ids"],
    )


def test_sft_leaves_an_ordinary_checkpoint_that_has_learnt(sft_run, student, tokenizer, sums):
    folder, summary = sft_run
    trained = AutoModelForCausalLM.from_pretrained(folder / "model")
    before = AutoModelForCausalLM.from_pretrained(student)
    prompt, right, _ = sums[0]
    example = encode(AutoTokenizer.from_pretrained(folder / "model"), prompt, right)
    assert example == encode(tokenizer, prompt, right)
    assert token_log_probs(trained, *example).mean() > token_log_probs(before, *example).mean() + 0.5

    assert sorted(path.name for path in folder.iterdir()) == ["curve.parquet", "model", "training.json"]
    assert not list(folder.rglob("*.bin")) + list(folder.rglob("*.pt"))
    assert summary.curve["loss"][-1] < summary.curve["loss"][0] - 0.5


def test_sft_says_what_it_did(sft_run, tokenizer, sums):
    folder, summary = sft_run
    assert (summary.steps, summary.examples, summary.dropped) == (10, 40, {})
    tokens = sum(len(ids) for prompt, right, _ in sums for ids in encode(tokenizer, prompt, right))
    assert summary.tokens == 2 * tokens == summary.curve["tokens"].sum()
    assert summary.curve["step"].to_list() == list(range(1, 11))
    assert summary.curve.columns == [
        "step", "loss", "learning_rate", "grad_norm", "tokens", "entropy", "mean_token_accuracy",
    ]  # fmt: skip
    assert summary.seconds > 0

    read = read_summary(folder)
    assert read.curve.equals(summary.curve)
    assert (read.steps, read.tokens, read.examples, read.dropped) == (10, summary.tokens, 40, {})


def test_the_learning_rate_warms_up_and_then_falls_to_nothing(sft_run):
    rates = sft_run[1].curve["learning_rate"].to_list()
    assert rates[0] == 0
    assert rates[1] == max(rates) == pytest.approx(1e-2)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(1e-2 / 9)


def test_sft_loss_is_the_token_mean_over_the_completions_alone(tmp_path, student, cot_set, tokenizer, sums):
    whole = SFT.model_copy(update={"batch_size": 40, "gradient_accumulation": 4, "epochs": 1})
    summary = train_sft(student, cot_set, whole, seed=0, folder=tmp_path)
    model = AutoModelForCausalLM.from_pretrained(student)
    tokens = torch.cat([token_log_probs(model, *encode(tokenizer, prompt, right)) for prompt, right, _ in sums])
    assert summary.curve["loss"].to_list() == [pytest.approx(-tokens.mean().item(), abs=1e-5)]


def test_the_joint_loss_starts_where_the_algebra_says(tmp_path, student, pairs, tokenizer, sums):
    """Policy and reference are the same at first: L_pref = log 2 whatever ε is, rewards are 0."""
    recipe = FULL.model_copy(update={"batch_size": 40, "epochs": 1, "preference_weight": 0.5, "sft_weight": 2.0})
    first = train_recipe(student, pairs, recipe, seed=0, folder=tmp_path).curve.row(0, named=True)
    model = AutoModelForCausalLM.from_pretrained(student)
    means = [token_log_probs(model, *encode(tokenizer, prompt, right)).mean().item() for prompt, right, _ in sums]
    sft = -sum(means) / len(means)
    assert first["preference_loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert first["sft_loss"] == pytest.approx(sft, abs=1e-5)
    assert first["loss"] == pytest.approx(0.5 * math.log(2) + 2.0 * sft, abs=1e-5)
    for reward in ("reward_chosen", "reward_rejected", "reward_margin"):
        assert first[reward] == pytest.approx(0, abs=1e-5)


def test_dpo_learns_to_tell_right_from_wrong(tmp_path, sft_run, pairs):
    summary = train_recipe(sft_run[0] / "model", pairs, RECIPE, seed=0, folder=tmp_path)
    last = summary.curve.row(-1, named=True)
    assert last["reward_margin"] > 0.1
    assert last["reward_accuracy"] > 0.9
    assert last["reward_margin"] == pytest.approx(last["reward_chosen"] - last["reward_rejected"], abs=1e-6)


def test_the_control_trains_on_the_chosen_chains_alone(tmp_path, student, pairs, tokenizer, sums):
    control = RECIPE.model_copy(update={"preference_weight": 0.0, "sft_weight": 1.0})
    summary = train_recipe(student, pairs, control, seed=0, folder=tmp_path)
    assert summary.tokens == 2 * sum(len(ids) for prompt, right, _ in sums for ids in encode(tokenizer, prompt, right))
    assert summary.curve.columns == ["step", "loss", "learning_rate", "grad_norm", "tokens", "sft_loss"]
    assert summary.curve["loss"].to_list() == pytest.approx(summary.curve["sft_loss"].to_list())
    assert summary.curve["loss"][-1] < summary.curve["loss"][0]


def test_only_the_recipes_own_rank_is_trained_on(tmp_path, student, make_pairs, sums):
    mixed = pl.concat([make_pairs(sums[:3]), make_pairs(sums[3:10], "longest")])
    longest = RECIPE.model_copy(update={"chosen": "longest"})
    assert train_recipe(student, mixed, longest, seed=0, folder=tmp_path).examples == 7


@pytest.mark.parametrize("stage", ["sft", "recipe"])
def test_same_arguments_same_bytes_whatever_the_order_of_the_rows(tmp_path, student, cot_set, pairs, stage):
    def run(name, seed, *, flip):
        if stage == "sft":
            return train_sft(student, cot_set.reverse() if flip else cot_set, SFT, seed=seed, folder=tmp_path / name)
        return train_recipe(student, pairs.reverse() if flip else pairs, FULL, seed=seed, folder=tmp_path / name)

    first, again, other = run("a", 1, flip=False), run("b", 1, flip=True), run("c", 2, flip=False)
    assert first.steps == 10
    assert first.curve.equals(again.curve)
    assert not first.curve.equals(other.curve)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")


def test_a_finished_folder_is_read_not_trained_again(sft_run, student, cot_set):
    folder, summary = sft_run
    written = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    again = train_sft(student, cot_set, SFT, seed=5, folder=folder)
    assert again.curve.equals(summary.curve)
    assert again.seconds == summary.seconds
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == written
    assert not (folder / "states").exists()


def test_a_folder_of_another_training_is_refused(sft_run, student, cot_set):
    with pytest.raises(TrainingError, match=r"other config, seed; use another folder"):
        train_sft(student, cot_set, SFT.model_copy(update={"learning_rate": 1.0}), seed=6, folder=sft_run[0])


@pytest.mark.parametrize("stage", ["sft", "recipe"])
def test_adapters_are_merged_into_the_saved_checkpoint(tmp_path, student, cot_set, pairs, stage):
    lora = {"lora": LoraConfig(rank=4, alpha=8), "learning_rate": 1e-2}
    if stage == "sft":
        summary = train_sft(student, cot_set, SFT.model_copy(update=lora), seed=0, folder=tmp_path)
    else:
        summary = train_recipe(student, pairs, FULL.model_copy(update=lora), seed=0, folder=tmp_path)
    assert summary.curve["loss"][-1] < summary.curve["loss"][0]

    before = AutoModelForCausalLM.from_pretrained(student).state_dict()
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "model").state_dict()
    assert after.keys() == before.keys()
    assert not list((tmp_path / "model").glob("adapter*"))
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    for name in ("model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"):
        assert torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3) == 4


def test_bfloat16_trains_in_mixed_precision(tmp_path, student, pairs):
    summary = train_recipe(student, pairs, FULL.model_copy(update={"bf16": True}), seed=0, folder=tmp_path)
    assert summary.curve["loss"][-1] < summary.curve["loss"][0]
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "model").dtype == torch.float32


def test_the_checkpoint_keeps_the_type_it_came_in(tmp_path, student, tokenizer, cot_set):
    AutoModelForCausalLM.from_pretrained(student).to(torch.bfloat16).save_pretrained(tmp_path / "half")
    tokenizer.save_pretrained(tmp_path / "half")
    train_sft(tmp_path / "half", cot_set, SFT, seed=0, folder=tmp_path / "run")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model").dtype == torch.bfloat16


def test_nothing_to_train_on_says_what_to_do(tmp_path, student, cot_set, pairs):
    with pytest.raises(TrainingError, match="grow more trees"):
        train_sft(student, cot_set.clear(), SFT, seed=0, folder=tmp_path)
    with pytest.raises(TrainingError, match="chosen chain is the longest"):
        train_recipe(student, pairs, RECIPE.model_copy(update={"chosen": "longest"}), seed=0, folder=tmp_path)
    with pytest.raises(TrainingError, match=r"40 longer than max_tokens.*raise max_tokens"):
        train_sft(student, cot_set, SFT.model_copy(update={"max_tokens": 8}), seed=0, folder=tmp_path)


def test_smoothing_from_pairs_needs_pairs_that_have_some(tmp_path, student, pairs):
    own = RECIPE.model_copy(update={"smoothing_from": "pair"})
    with pytest.raises(TrainingError, match=r"no pair has a label_smoothing of its own"):
        train_recipe(student, pairs, own, seed=0, folder=tmp_path)


def test_each_pair_is_trained_with_its_own_smoothing(tmp_path, student, pairs):
    """One ε for all as the recipe's, as every pair's own, or half and half: the same training, to the float."""
    everywhere = RECIPE.model_copy(update={"label_smoothing": 0.25, "epochs": 1, "warmup_share": 0.0})
    own = everywhere.model_copy(update={"label_smoothing": 0.0, "smoothing_from": "pair"})
    some = everywhere.model_copy(update={"smoothing_from": "pair"})
    every_second = pl.when(pl.int_range(pl.len()) % 2 == 0).then(0.25)
    runs = [
        train_recipe(student, frame, recipe, seed=0, folder=tmp_path / name).curve["preference_loss"].to_list()
        for name, frame, recipe in (
            ("recipe", pairs, everywhere),
            ("own", pairs.with_columns(label_smoothing=0.25), own),
            ("some", pairs.with_columns(label_smoothing=every_second), some),
            ("none", pairs, everywhere.model_copy(update={"label_smoothing": 0.0})),
        )
    ]
    assert runs[1] == pytest.approx(runs[0], abs=1e-5)
    assert runs[2] == pytest.approx(runs[0], abs=1e-5)
    assert runs[3] != pytest.approx(runs[0], abs=1e-3)


def test_a_checkpoint_that_cannot_be_used_is_refused(tmp_path, student, tokenizer, new_model, cot_set):
    with pytest.raises(TrainingError, match="no such folder"):
        train_sft(tmp_path / "absent", cot_set, SFT, seed=0, folder=tmp_path / "run")
    (tmp_path / "bare").mkdir()
    with pytest.raises(TrainingError, match="no checkpoint here"):
        train_sft(tmp_path / "bare", cot_set, SFT, seed=0, folder=tmp_path / "run-2")

    shutil.copytree(student, tmp_path / "torn")
    (tmp_path / "torn" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="the model cannot be read"):
        train_sft(tmp_path / "torn", cot_set, SFT, seed=0, folder=tmp_path / "run-4")

    larger = AutoTokenizer.from_pretrained(student)
    larger.add_tokens(["<one-more>"])
    new_model(family="Llama").save_pretrained(tmp_path / "short")
    larger.save_pretrained(tmp_path / "short")
    with pytest.raises(TrainingError, match="62 tokens, the model embeds 61"):
        train_sft(tmp_path / "short", cot_set, SFT, seed=0, folder=tmp_path / "run-3")


def test_no_finished_training_to_read(tmp_path):
    with pytest.raises(TrainingError, match="no finished training"):
        read_summary(tmp_path)


def test_configurations_that_cannot_train_name_the_field():
    with pytest.raises(ValidationError, match=r"gradient_accumulation: 3 does not divide batch_size 8"):
        SftConfig(batch_size=8, gradient_accumulation=3)
    with pytest.raises(ValidationError, match=r"preference_weight and sft_weight are both 0"):
        RecipeConfig(description="nothing", preference_weight=0.0, sft_weight=0.0)


def test_importing_the_package_loads_no_torch():
    program = "import sys, marco_dag.training; print([m for m in ('torch', 'transformers', 'trl') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
