"""Training from scratch, really run: the loss falls, the folders load, a killed run goes on, the seed decides."""

import random
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from marco_dag.identity import digest_file
from marco_dag.miniature import ArchitectureConfig, MiniatureConfig, PretrainingConfig, train_miniature_models
from marco_dag.miniature.pretraining import IGNORED, Example, bucket_batches, encode_trace
from marco_dag.miniature.tokenizer import build_tokenizer
from marco_dag.miniature.traces import Segment, Trace

ROLES = ("generator", "critic", "student")
SHORT = PretrainingConfig(steps=20, tokens_per_step=256, learning_rate=1e-2)
CONFIG = MiniatureConfig(
    architecture=ArchitectureConfig(hidden_size=32, layers=2, heads=2, max_positions=256),
    generator=SHORT,
    critic=PretrainingConfig(steps=5, tokens_per_step=256, learning_rate=1e-3),
    student=SHORT,
)


def train(folder: Path, seed: int = 0) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    train_miniature_models(CONFIG, held_out_share=0.25, seed=seed, folder=folder)
    return {role: digest_file(folder / role / "model.safetensors") for role in ROLES}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    train(folder)
    return folder


def test_the_loss_falls(trained: Path) -> None:
    curves = pl.read_parquet(trained / "curves.parquet")
    assert curves.columns == ["role", "step", "loss", "tokens_per_second"]
    assert curves["role"].unique(maintain_order=True).to_list() == list(ROLES)
    for role in ("generator", "student"):
        loss = curves.filter(role=role)["loss"]
        assert len(loss) == 20
        assert loss.tail(3).mean() < 0.9 * loss.head(3).mean()


def test_the_critic_goes_on_where_the_generator_ended(trained: Path) -> None:
    curves = pl.read_parquet(trained / "curves.parquet")
    first = {role: curves.filter(role=role, step=1)["loss"].item() for role in ROLES}
    assert first["critic"] < 0.9 * first["generator"]


@pytest.mark.parametrize("role", ROLES)
def test_a_folder_is_an_ordinary_checkpoint(trained: Path, role: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained / role)
    model = AutoModelForCausalLM.from_pretrained(trained / role)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "How many o in moon?"}], add_generation_prompt=True, return_tensors="pt"
    )
    assert tokenizer.get_vocab() == build_tokenizer(256).get_vocab()
    assert tokenizer.decode(prompt["input_ids"][0]) == "<user>How many o in moon?<assistant>"
    output = model.generate(**prompt, max_new_tokens=4, do_sample=False)
    assert output.shape[1] <= prompt["input_ids"].shape[1] + 4
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
    assert sorted(path.suffix for path in (trained / role).iterdir() if path.suffix not in (".json", ".jinja")) == [
        ".safetensors"
    ]


def test_the_seed_decides_every_weight(trained: Path, tmp_path: Path) -> None:
    first = {role: digest_file(trained / role / "model.safetensors") for role in ROLES}
    torch.manual_seed(123)
    random.seed(123)
    assert train(tmp_path / "same") == first
    other = train(tmp_path / "other", seed=1)
    assert all(other[role] != first[role] for role in ROLES)


def test_a_killed_run_goes_on_with_the_model_it_was_at(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    shutil.copytree(trained, folder)
    (folder / "student").rename(folder / "student.partial")
    shutil.rmtree(folder / "critic")
    generator = (folder / "generator" / "model.safetensors").stat()
    digests = train(folder)
    assert digests == {role: digest_file(trained / role / "model.safetensors") for role in ROLES}
    assert (folder / "generator" / "model.safetensors").stat().st_mtime_ns == generator.st_mtime_ns
    curves = pl.read_parquet(folder / "curves.parquet")
    assert curves.group_by("role").len().sort("role")["len"].to_list() == [5, 20, 20]


def test_only_learned_segments_and_the_end_carry_labels() -> None:
    tokenizer = build_tokenizer(256)
    trace = Trace("Compute 1+2", (Segment("<answer>4</answer><reflection>", False), Segment("no</reflection>", True)))
    example = encode_trace(tokenizer, trace)
    assert tokenizer.decode(example.tokens) == f"<user>Compute 1+2<assistant>{trace.response}<eos>"
    learned = [label for label in example.labels if label != IGNORED]
    assert tokenizer.decode(learned) == "no</reflection><eos>"
    assert all(label in (IGNORED, token) for token, label in zip(example.tokens, example.labels, strict=True))


def test_batches_hold_every_example_once_and_keep_to_the_token_budget() -> None:
    rng = random.Random(0)
    lengths = [rng.randint(5, 90) for _ in range(2500)]
    examples = [Example([number] * length, [number] * length) for number, length in enumerate(lengths)]
    batches = list(bucket_batches(examples, 512, random.Random(0)))
    assert sorted(example.tokens[0] for batch in batches for example in batch) == list(range(2500))
    assert all(max(len(e.tokens) for e in batch) * len(batch) <= 512 for batch in batches)
    padded = sum(max(len(e.tokens) for e in batch) * len(batch) for batch in batches)
    assert sum(lengths) / padded > 0.85  # a batch of the first lengths that come would be half padding
