"""QLoRA: frozen weights in 4 bits while adapters are trained on them (Dettmers et al. 2023, arXiv 2305.14314).

The quantization is bitsandbytes', an optional dependency, imported by these calls alone.
"""

import importlib.util
from typing import Any

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from transformers import BitsAndBytesConfig

from marco_dag.errors import TrainingError


def nf4(*, bf16: bool) -> BitsAndBytesConfig:
    """4-bit NormalFloat with double quantization, computed in bfloat16 or, without `bf16`, float32.

    TrainingError where bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise TrainingError(
            "lora.quantize is nf4, which needs bitsandbytes: `pip install 'bitsandbytes>=0.49,<1'`, or set it to null"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if bf16 else torch.float32,
    )


def dequantized(model: Any, adapters: PeftLoraConfig) -> Any:  # noqa: ANN401
    """`model`, adapters on 4-bit weights, as the same adapters on the weights that those 4 bits stand for, in float32.

    These are what the adapters were trained on; the checkpoint's own weights, before rounding, are not.
    """
    trained = get_peft_model_state_dict(model)
    whole = get_peft_model(model.unload().dequantize().float(), adapters)
    set_peft_model_state_dict(whole, trained)
    return whole
