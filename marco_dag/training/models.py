"""Checkpoint folders in and out: loading a student for training, saving what it became.

Local folders and safetensors only; nothing in a folder is executed.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from marco_dag.errors import TrainingError
from marco_dag.training.adapters import with_adapters
from marco_dag.training.config import StageConfig
from marco_dag.training.quantization import dequantized, keep_trainable, nf4
from marco_dag.training.sharding import distribution, is_sharded, trained_weights


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder; TrainingError if there is none."""
    if not (folder / "config.json").is_file():
        raise TrainingError(f"{folder}: no checkpoint here (config.json is missing); give a Hugging Face folder")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder}: the tokenizer cannot be read: {error}") from error


def load_student(folder: Path, tokenizer: PreTrainedTokenizerBase, config: StageConfig) -> PreTrainedModel:
    """The model of a checkpoint folder, ready to be trained as `config` says: in 4 bits, or spread over the ranks.

    Weights that are trained are float32, frozen ones (under `lora`) keep the type they are stored in. TrainingError if
    the tokenizer has tokens that the model has no embedding for, or if a package is missing.
    """
    placement: dict[str, Any] = {}
    if (spread := distribution(config)) is not None:
        placement["distributed_config"] = spread
    if config.lora and config.lora.quantize:
        placement["quantization_config"] = nf4(bf16=config.bf16)
        here = torch.accelerator.current_device_index() if torch.accelerator.is_available() else "cpu"
        placement["device_map"] = {"": here}
    dtype = stored_dtype(folder) if config.lora else torch.float32
    model = _load(folder, dtype, attn_implementation=_attention(folder, config), **placement)
    if "quantization_config" in placement:
        keep_trainable(model)
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise TrainingError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model embeds {rows}; "
            "resize the model's embeddings and save it, or use the tokenizer it was trained with"
        )
    if spread is not None and model.config.tie_word_embeddings and rows % spread.fsdp_size:
        # FSDP2 pads uneven shards, and the head would go on with a padded copy of its own that no step updates.
        raise TrainingError(
            f"{folder}: embeddings and head share {rows} rows, which {spread.fsdp_size} processes cannot share evenly "
            "(parallel.sharding: fsdp); take a number of processes that divides them, or resize the embeddings"
        )
    return model


def save_student(
    model: Any,  # noqa: ANN401
    tokenizer: PreTrainedTokenizerBase,
    source: Path,
    config: StageConfig,
    folder: Path,
) -> None:
    """Write an ordinary checkpoint folder in the type of `source`, adapters merged; `folder` is whole or absent.

    `model` is what training on `source` made of `load_student`'s. Every rank has to call it; rank 0 writes.
    """
    weights = trained_weights(model) if is_sharded(model) else None
    if PartialState().is_main_process:
        if weights is not None:
            model = _with_weights(source, config, weights)
        elif config.lora and config.lora.quantize:
            model = dequantized(model, config.lora)
        if config.lora:
            model = model.merge_and_unload()
        partial = folder.with_name(f"{folder.name}.partial")
        for leftover in (partial, folder):
            shutil.rmtree(leftover, ignore_errors=True)
        model.to(stored_dtype(source)).save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        partial.rename(folder)
    PartialState().wait_for_everyone()


def stored_dtype(folder: Path) -> torch.dtype:
    """The type a checkpoint's weights are stored in."""
    return AutoConfig.from_pretrained(folder, local_files_only=True).dtype or torch.float32


def _load(folder: Path, dtype: torch.dtype, **placement: Any) -> PreTrainedModel:  # noqa: ANN401
    try:
        return AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, **placement
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingError(f"{folder}: the model cannot be read: {error}") from error


def _with_weights(source: Path, config: StageConfig, trained: dict[str, torch.Tensor]) -> Any:  # noqa: ANN401
    """The whole model of `source` with `trained` in the place of its own weights, on the CPU."""
    model = _load(source, stored_dtype(source) if config.lora else torch.float32)
    whole: Any = with_adapters(model, config.lora) if config.lora else model
    unknown = whole.load_state_dict(trained, strict=False).unexpected_keys
    assert not unknown, unknown
    return whole


def _attention(folder: Path, config: StageConfig) -> str | None:
    """FlexAttention, which skips what a packed row's mask hides, where it runs: on CUDA, and without dropout."""
    dropout = getattr(AutoConfig.from_pretrained(folder, local_files_only=True), "attention_dropout", 0.0)
    return "flex_attention" if config.packing == "tree" and torch.cuda.is_available() and not dropout else None


@contextlib.contextmanager
def without_foreign_bars() -> Iterator[None]:
    """Keep transformers' own progress bars off the terminal; its warnings still appear."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
