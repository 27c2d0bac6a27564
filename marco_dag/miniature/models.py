"""The three embedded models, trained from scratch and written as ordinary Hugging Face folders.

A model that is finished in the folder is not trained again, so a killed call goes on where it was, model by model.
Caching by content is the caller's (`marco_dag.store`).
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from marco_dag.identity import derive_seed
from marco_dag.miniature.config import ArchitectureConfig, MiniatureConfig, PretrainingConfig
from marco_dag.miniature.tokenizer import build_tokenizer
from marco_dag.miniature.traces import ModelRole, draw_trace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from marco_dag.miniature.pretraining import Example

CURVES = "curves.parquet"
"""The file with the columns role, step, loss and tokens_per_second of every model's training."""


_BRANCH_OUTPUTS = ("o_proj.weight", "down_proj.weight")
"""Begin at zero, so that every block begins as the identity: the loss falls a quarter faster."""


def train_miniature_models(config: MiniatureConfig, *, held_out_share: float, seed: int, folder: Path) -> None:
    """Train generator, critic and student into `folder/<role>`, and write `folder/curves.parquet`.

    The critic goes on from the generator, the others start from random weights. No training trace holds a held-out
    prompt (`marco_dag.tasks.is_held_out` at `held_out_share`). The weights are a function of the arguments, on one kind
    of machine with one number of threads.
    """
    stages: list[tuple[ModelRole, PretrainingConfig, ModelRole | None]] = [
        ("generator", config.generator, None),
        ("critic", config.critic, "generator"),
        ("student", config.student, None),
    ]
    tokenizer = build_tokenizer(config.architecture.max_positions)
    for role, training, origin in stages:
        if (folder / role).exists():
            continue
        if origin is None:
            model = build_model(config.architecture, tokenizer, seed=derive_seed("weights", role, seed))
        else:
            model = _load_model(folder / origin)
        _train_one(model, tokenizer, role, training, held_out_share=held_out_share, seed=seed, folder=folder)


def build_model(
    architecture: ArchitectureConfig, tokenizer: "PreTrainedTokenizerFast", *, seed: int
) -> "PreTrainedModel":
    """A Llama model with random weights that depend on `seed` alone, and tied embeddings.

    Not a Qwen2 model: transformers 5 gives every folder of that type Qwen2's own tokenizer, whatever the folder holds.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    width = architecture.hidden_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=width,
                intermediate_size=feed_forward_width(width),
                num_hidden_layers=architecture.layers,
                num_attention_heads=architecture.heads,
                num_key_value_heads=architecture.key_value_heads,
                max_position_embeddings=architecture.max_positions,
                tie_word_embeddings=True,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                bos_token_id=None,
            )
        )
    for name, parameter in model.named_parameters():
        if name.endswith(_BRANCH_OUTPUTS):
            torch.nn.init.zeros_(parameter)
    return model


def feed_forward_width(width: int) -> int:
    """The width of the blocks' feed-forward layers: 8/3 of the model's, a multiple of 16."""
    return width * 8 // 3 // 16 * 16


def _load_model(folder: Path) -> "PreTrainedModel":
    from transformers import AutoModelForCausalLM

    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder)
    return model


def _train_one(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    role: ModelRole,
    config: PretrainingConfig,
    *,
    held_out_share: float,
    seed: int,
    folder: Path,
) -> None:
    from marco_dag.miniature.pretraining import pretrain

    examples = _draw_examples(tokenizer, role, config, held_out_share=held_out_share, seed=seed)
    curve = pretrain(model, examples, config, seed=derive_seed("batches", role, seed), title=f"train {role}")
    partial = folder / f"{role}.partial"
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    _append_curve(folder / CURVES, role, curve)
    partial.rename(folder / role)


def _draw_examples(
    tokenizer: "PreTrainedTokenizerFast",
    role: ModelRole,
    config: PretrainingConfig,
    *,
    held_out_share: float,
    seed: int,
) -> Iterator["Example"]:
    """Tokenized traces without end."""
    from marco_dag.miniature.pretraining import encode_trace

    rng = random.Random(derive_seed("traces", role, seed))
    while True:
        trace = draw_trace(role, rng, error_rate=config.error_rate, held_out_share=held_out_share)
        yield encode_trace(tokenizer, trace)


def _append_curve(path: Path, role: ModelRole, curve: pl.DataFrame) -> None:
    curve = curve.select(pl.lit(role).alias("role"), pl.all())
    if path.exists():
        curve = pl.concat([pl.read_parquet(path).filter(pl.col("role") != role), curve])
    partial = path.with_suffix(".partial")
    curve.write_parquet(partial)
    partial.rename(path)
