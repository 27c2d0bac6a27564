"""Checkpoint folders in and out: loading a student for training, saving what it became.

Local folders and safetensors only; nothing in a folder is executed.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from marco_dag.errors import TrainingError
from marco_dag.training.config import LoraConfig


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder; TrainingError if there is none."""
    if not (folder / "config.json").is_file():
        raise TrainingError(f"{folder}: no checkpoint here (config.json is missing); give a Hugging Face folder")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder}: the tokenizer cannot be read: {error}") from error


def load_student(folder: Path, tokenizer: PreTrainedTokenizerBase, lora: LoraConfig | None) -> PreTrainedModel:
    """The model of a checkpoint folder, ready to be trained.

    Weights that are trained are float32, frozen ones (under `lora`) keep the type they are stored in. TrainingError if
    the tokenizer has tokens that the model has no embedding for.
    """
    dtype = stored_dtype(folder) if lora else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingError(f"{folder}: the model cannot be read: {error}") from error
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise TrainingError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model embeds {rows}; "
            "resize the model's embeddings and save it, or use the tokenizer it was trained with"
        )
    return model


def save_student(model: Any, tokenizer: PreTrainedTokenizerBase, dtype: torch.dtype, folder: Path) -> None:  # noqa: ANN401
    """Write an ordinary checkpoint folder, adapters merged, weights in `dtype`; `folder` is whole or absent."""
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    partial = folder.with_name(f"{folder.name}.partial")
    for leftover in (partial, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    model.to(dtype).save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.rename(folder)


def stored_dtype(folder: Path) -> torch.dtype:
    """The type a checkpoint's weights are stored in."""
    return AutoConfig.from_pretrained(folder, local_files_only=True).dtype or torch.float32


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
