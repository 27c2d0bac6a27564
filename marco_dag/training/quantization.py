"""QLoRA: frozen weights in 4 bits while adapters are trained on them (Dettmers et al. 2023, arXiv 2305.14314).

The quantization is bitsandbytes', an optional dependency, imported by these calls alone.
"""

import importlib.util
from typing import Any

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from transformers import BitsAndBytesConfig

from marco_dag.errors import TrainingError
from marco_dag.training.adapters import with_adapters
from marco_dag.training.config import LoraConfig


def nf4(*, bf16: bool) -> BitsAndBytesConfig:
    """4-bit NormalFloat with double quantization, computed in bfloat16 or, without `bf16`, float32.

    TrainingError where bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise TrainingError(
            "lora.quantize is nf4, which needs bitsandbytes; `scripts/install.py --qlora` has it. Or set it to null."
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if bf16 else torch.float32,
    )


def keep_trainable(model: torch.nn.Module) -> None:
    """Forbid bitsandbytes to repack 4-bit weights for inference, as it does on some CPUs.

    The first forward in evaluation mode would, be it of the reference or of a look, and no gradient passes them after.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]


def dequantized(model: Any, lora: LoraConfig) -> Any:  # noqa: ANN401
    """`model`, adapters on 4-bit weights, as the same adapters on the weights that those 4 bits stand for, in float32.

    These are what the adapters were trained on; the checkpoint's own weights, before rounding, are not.
    """
    trained = get_peft_model_state_dict(model)
    whole = with_adapters(model.unload().dequantize().float(), lora)
    set_peft_model_state_dict(whole, trained)
    return whole
