"""A configuration, a model and examples as one of our trainers: every argument that TRL and transformers are given."""

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import DPOConfig, SFTConfig

from marco_dag.training.batches import PairCollator, pair_dataset, sft_dataset
from marco_dag.training.config import RecipeConfig, SftConfig, StageConfig
from marco_dag.training.examples import PairExample, SftExample
from marco_dag.training.models import adapters
from marco_dag.training.trainers import PreferenceTrainer, SupervisedTrainer

_OPTIMIZER = {
    "optim": "adamw_torch_fused",
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "lr_scheduler_type": "linear",
}
"""AdamW as TRL sets it: the paper prints none of it."""


def supervised_trainer(
    config: SftConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[SftExample],
    *,
    seed: int,
    states: Path,
) -> SupervisedTrainer:
    """The trainer of the first stage."""
    with _without_pefts_deprecated_question():
        return SupervisedTrainer(
            model=model,
            args=SFTConfig(
                **_arguments(config, len(examples), seed, states),
                max_length=None,
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=sft_dataset(examples),
            processing_class=tokenizer,
            peft_config=adapters(config.lora) if config.lora else None,
            lengths=[example.tokens for example in examples],
            batch_size=config.batch_size,
        )


def preference_trainer(
    recipe: RecipeConfig,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[PairExample],
    *,
    seed: int,
    states: Path,
) -> PreferenceTrainer:
    """The trainer of the second stage; computes the reference's log-probabilities from `model` as it is.

    The model's own dropout is turned off: the rewards compare it with a reference that has none. The adapters' dropout
    is the recipe's choice and stays.
    """
    _disable_dropout(model)
    with _without_pefts_deprecated_question():
        return PreferenceTrainer(
            recipe=recipe,
            model=model,
            args=DPOConfig(
                **_arguments(recipe, len(examples), seed, states),
                beta=recipe.beta,
                max_length=None,
                disable_dropout=False,
                precompute_ref_log_probs=True,
            ),
            train_dataset=pair_dataset(examples),
            processing_class=tokenizer,
            data_collator=PairCollator(
                tokenizer.pad_token_id,
                mask_prefix=recipe.prefix_masking == "dpo",
                chosen_only=recipe.preference_weight == 0,
            ),
            peft_config=adapters(recipe.lora) if recipe.lora else None,
            lengths=[example.tokens for example in examples],
        )


def _arguments(config: StageConfig, examples: int, seed: int, states: Path) -> dict[str, Any]:
    """What both stages tell the Hugging Face Trainer."""
    steps = math.ceil(config.epochs * math.ceil(examples / config.batch_size))
    return _OPTIMIZER | {
        "output_dir": str(states),
        "seed": seed,
        "max_steps": steps,
        "per_device_train_batch_size": config.micro_batch(_ranks()),
        "gradient_accumulation_steps": config.gradient_accumulation,
        "learning_rate": config.learning_rate,
        "warmup_steps": math.ceil(config.warmup_share * steps),
        "bf16": config.bf16,
        "use_cpu": not torch.accelerator.is_available(),
        "activation_checkpointing": config.activation_checkpointing,
        # Every weight that is trained is in every loss.
        "ddp_find_unused_parameters": False,
        "save_strategy": "steps",
        "save_steps": config.checkpoint_every,
        "save_total_limit": 2,
        "logging_strategy": "steps",
        "logging_steps": 1,
        # A loss that is no number must be seen, not averaged away.
        "logging_nan_inf_filter": False,
        "remove_unused_columns": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "report_to": "none",
        "disable_tqdm": True,
    }


def _ranks() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def _disable_dropout(model: torch.nn.Module) -> None:
    # TRL's own function knows the Dropout modules alone; attention's dropout is a number that its modules hold.
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0  # type: ignore[assignment]


@contextlib.contextmanager
def _without_pefts_deprecated_question() -> Iterator[None]:
    """Wrapping a model, peft 0.21 asks it for `is_gradient_checkpointing`, a name that transformers 5 warns about."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield
