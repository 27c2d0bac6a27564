"""A configuration, a model and examples as one of our trainers: every argument that TRL and transformers are given."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from marco_dag.training import ranks
from marco_dag.training.adapters import peft_config, without_pefts_deprecated_question
from marco_dag.training.batches import PairCollator, pair_dataset, sft_dataset
from marco_dag.training.config import RecipeConfig, SftConfig, StageConfig
from marco_dag.training.examples import PairExample, SftExample
from marco_dag.training.order import ExampleOrder, LengthGroupedOrder, TreeGroupedOrder, whole_tree_batches
from marco_dag.training.packing import PackedCollator, add_packed_forward, attention_tokens, check_packable
from marco_dag.training.soundness import WINDOW
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
    collator = DataCollatorForLanguageModeling(tokenizer.pad_token_id)
    with without_pefts_deprecated_question():
        return SupervisedTrainer(
            model=model,
            args=_arguments(config, len(examples), seed, states),
            train_dataset=sft_dataset(examples),
            processing_class=tokenizer,
            data_collator=_packed(collator, config, model, measured=True),
            peft_config=peft_config(config.lora),
            order=_order(config, examples, seed),
            ids=[example.id for example in examples],
            config=config,
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
    collator = PairCollator(
        tokenizer.pad_token_id,
        mask_prefix=recipe.prefix_masking != "none",
        chosen_only=recipe.preference_weight == 0,
    )
    with without_pefts_deprecated_question():
        return PreferenceTrainer(
            recipe=recipe,
            model=model,
            args=_arguments(recipe, len(examples), seed, states),
            train_dataset=pair_dataset(examples, recipe.label_smoothing if recipe.smoothing_from == "pair" else None),
            processing_class=tokenizer,
            data_collator=_packed(collator, recipe, model, measured=False),
            peft_config=peft_config(recipe.lora),
            order=_order(recipe, examples, seed),
            reference_batches=_reference_batches(recipe, examples),
            ids=[example.id for example in examples],
        )


def _arguments(config: StageConfig, examples: int, seed: int, states: Path) -> SFTConfig:
    """What both stages tell TRL and the Hugging Face Trainer."""
    steps = math.ceil(config.epochs * math.ceil(examples / config.batch_size))
    return SFTConfig(
        **_OPTIMIZER,
        output_dir=str(states),
        seed=seed,
        max_steps=steps,
        per_device_train_batch_size=config.micro_batch(ranks.count()),
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        warmup_steps=math.ceil(config.warmup_share * steps),
        bf16=config.bf16,
        use_cpu=not torch.accelerator.is_available(),
        activation_checkpointing=config.activation_checkpointing,
        # Every weight that is trained is in every loss.
        ddp_find_unused_parameters=False,
        save_strategy="steps",
        save_steps=config.checkpoint_every,
        # So many that one is from before the window in which an explosion is noticed.
        save_total_limit=1 + math.ceil(WINDOW / config.checkpoint_every),
        logging_strategy="steps",
        logging_steps=1,
        # A loss that is no number must be seen, not averaged away.
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        disable_tqdm=True,
        # The examples are token ids already, none too long.
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def _packed(
    collator: Callable[..., dict[str, Any]], config: StageConfig, model: PreTrainedModel, *, measured: bool
) -> Callable[..., dict[str, Any]]:
    """`collator`, and `model`, made ready for packed rows where `config` asks for them."""
    if config.packing == "none":
        return collator
    check_packable(model.config)
    add_packed_forward(model, config.forward_tokens, measured=measured)
    return PackedCollator(collator, config.row_tokens, attention_tokens(model.config))


def _order(config: StageConfig, examples: Sequence[SftExample] | Sequence[PairExample], seed: int) -> ExampleOrder:
    if config.packing == "none":
        return LengthGroupedOrder([example.tokens for example in examples], config.batch_size, seed)
    paths = [
        example.prompt + (example.completion if isinstance(example, SftExample) else example.rejected)
        for example in examples
    ]
    return TreeGroupedOrder([tuple(example.prompt) for example in examples], paths, config.batch_size, seed)


def _reference_batches(recipe: RecipeConfig, examples: Sequence[PairExample]) -> list[list[int]]:
    """Which pairs go through the reference together: those of like length, or, packed, those of one prompt."""
    lengths = [example.tokens for example in examples]
    size = recipe.micro_batch(ranks.count()) * ranks.count()
    if recipe.packing == "none":
        by_length = sorted(range(len(examples)), key=lengths.__getitem__)
        return [by_length[start : start + size] for start in range(0, len(by_length), size)]
    return whole_tree_batches([tuple(example.prompt) for example in examples], size)


def _disable_dropout(model: torch.nn.Module) -> None:
    # TRL's own function knows the Dropout modules alone; attention's dropout is a number that its modules hold.
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0  # type: ignore[assignment]
