"""Low-rank adapters, by peft: which layers get them, and how they are put on a model."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from peft import LoraConfig as PeftLoraConfig
from peft import get_peft_model
from transformers import PreTrainedModel

from marco_dag.training.config import LoraConfig


def peft_config(lora: LoraConfig | None) -> PeftLoraConfig | None:
    """The adapters as peft is told of them: on every linear layer but the head; None where there are none."""
    if lora is None:
        return None
    return PeftLoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def with_adapters(model: PreTrainedModel, lora: LoraConfig) -> Any:  # noqa: ANN401
    """`model` with fresh adapters, a peft model."""
    with without_pefts_deprecated_question():
        return get_peft_model(model, peft_config(lora))


@contextlib.contextmanager
def without_pefts_deprecated_question() -> Iterator[None]:
    """Wrapping a model, peft 0.21 asks it for `is_gradient_checkpointing`, a name that transformers 5 warns about."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield
