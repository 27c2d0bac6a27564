"""The two stages: SFT on the base student, then a recipe on the SFT checkpoint.

Wires data, trainer, states and summary together. The losses are in `marco_dag.training.objectives`, what TRL is made to
do in `marco_dag.training.trainers`. torch and TRL are imported by the calls, never by this module.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from marco_dag.errors import TrainingError
from marco_dag.identity import JsonValue, digest_folder, digest_json
from marco_dag.progress import progress
from marco_dag.schemas import conform
from marco_dag.training.config import RecipeConfig, SftConfig, StageConfig
from marco_dag.training.examples import PairExample, SftExample, check_tokenizer, pair_examples, sft_examples
from marco_dag.training.states import claim_states, drop_states, last_whole_state
from marco_dag.training.summary import TrainingSummary, read_arguments, read_summary, write_summary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer

TRAINING_VERSION = "1"
"""Raised whenever the same arguments would give other weights; part of what a checkpoint is keyed by."""

_ADAM = {"adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "weight_decay": 0.0, "max_grad_norm": 1.0}
"""AdamW as TRL sets it: the paper prints none of it."""

_LOGGED = ("step", "loss", "learning_rate", "grad_norm", "tokens")

_Examples: TypeAlias = tuple[Sequence[SftExample] | Sequence[PairExample], dict[str, int]]
_Builder: TypeAlias = "Callable[[Any, PreTrainedTokenizerBase, Any, dict[str, Any]], Trainer]"


def train_sft(student: Path, cot_set: pl.DataFrame, config: SftConfig, *, seed: int, folder: Path) -> TrainingSummary:
    """Fine-tune the checkpoint in `student` on a CoT set (schemas.COT_SET) and save it to `folder/"model"`.

    Loss: −log π of the completion's tokens given the prompt, their mean over an optimizer step. The rows' order does
    not matter; `seed`, in [0, 2**31), decides the order of training and the adapters. The same arguments give the same
    weights, byte for byte on one machine. On a folder that a killed call left, training goes on from its last state and
    ends with the same losses; on a finished one the summary is read.

    Raises TrainingError: nothing to train on, an unusable checkpoint or tokenizer, a folder that holds another
    training, a loss that is no finite number (names the step).
    """
    rows = conform(cot_set, "cot_set")
    if rows.is_empty():
        raise TrainingError(
            "the CoT set is empty: no prompt has a correct chain within curation.max_chain_tokens; "
            "grow more trees (search.rollouts, seeds) or raise that limit"
        )

    def examples(tokenizer: "PreTrainedTokenizerBase") -> _Examples:
        return sft_examples(rows, tokenizer, config.max_tokens)

    def build(model: Any, tokenizer: "PreTrainedTokenizerBase", kept: Any, arguments: dict[str, Any]) -> "Trainer":  # noqa: ANN401
        from trl import SFTConfig

        from marco_dag.training.batches import sft_dataset
        from marco_dag.training.trainers import SupervisedTrainer

        return SupervisedTrainer(
            model=model,
            args=SFTConfig(**arguments, max_length=None, dataset_kwargs={"skip_prepare_dataset": True}),
            train_dataset=sft_dataset(kept),
            processing_class=tokenizer,
            peft_config=_peft_config(config),
            lengths=[example.tokens for example in kept],
            batch_size=config.batch_size,
        )

    arguments = _arguments("sft", student, rows, config, seed)
    return _train(student, config, seed, folder, arguments, "SFT", examples, build)


def train_recipe(sft: Path, pairs: pl.DataFrame, recipe: RecipeConfig, *, seed: int, folder: Path) -> TrainingSummary:
    """Train the checkpoint in `sft` on preference pairs (schemas.PREFERENCE_PAIRS) and save it to `folder/"model"`.

    Of `pairs`, those with `chosen_rank` equal to `recipe.chosen` are used. Loss, a mean over the pairs of an optimizer
    step: w·L_cDPO + α·L_SFT(chosen) (paper §3.3; `marco_dag.training.objectives`), the reference being `sft` itself,
    whose log-probabilities are computed once beforehand. Recipes on the same pairs, seed and batch size take the same
    pairs in the same order. Otherwise as `train_sft`.
    """
    rows = conform(pairs, "preference_pairs").filter(pl.col("chosen_rank") == recipe.chosen)
    if rows.is_empty():
        raise TrainingError(
            f"there is no preference pair whose chosen chain is the {recipe.chosen}: no tree has a correct and a wrong "
            "chain within curation.max_chain_tokens; grow more trees (search.rollouts, seeds), or ask preference_pairs "
            "for this rank"
        )

    def examples(tokenizer: "PreTrainedTokenizerBase") -> _Examples:
        return pair_examples(rows, tokenizer, recipe.max_tokens)

    def build(model: Any, tokenizer: "PreTrainedTokenizerBase", kept: Any, arguments: dict[str, Any]) -> "Trainer":  # noqa: ANN401
        from trl import DPOConfig
        from trl.trainer.utils import disable_dropout_in_model

        from marco_dag.training.batches import PairCollator, pair_dataset
        from marco_dag.training.trainers import PreferenceTrainer

        # Here, not through DPOConfig: that would turn off the adapters' dropout, which the recipe asks for.
        disable_dropout_in_model(model)
        return PreferenceTrainer(
            recipe=recipe,
            model=model,
            args=DPOConfig(
                **arguments, beta=recipe.beta, max_length=None, disable_dropout=False, precompute_ref_log_probs=True
            ),
            train_dataset=pair_dataset(kept),
            processing_class=tokenizer,
            data_collator=PairCollator(
                tokenizer.pad_token_id,
                mask_prefix=recipe.prefix_masking == "dpo",
                chosen_only=recipe.preference_weight == 0,
            ),
            peft_config=_peft_config(recipe),
            lengths=[example.tokens for example in kept],
        )

    arguments = _arguments("recipe", sft, rows, recipe, seed)
    return _train(sft, recipe, seed, folder, arguments, recipe.description, examples, build)


def _train(
    source: Path,
    config: StageConfig,
    seed: int,
    folder: Path,
    arguments: Mapping[str, JsonValue],
    title: str,
    make_examples: "Callable[[PreTrainedTokenizerBase], _Examples]",
    build: _Builder,
) -> TrainingSummary:
    states = claim_states(folder, arguments)
    if read_arguments(folder) is not None:
        drop_states(folder)
        return read_summary(folder)

    from marco_dag.training.models import (
        load_student,
        load_tokenizer,
        save_student,
        stored_dtype,
        without_foreign_bars,
    )
    from marco_dag.training.trainers import ProgressBar

    start = time.perf_counter()
    with without_foreign_bars():
        tokenizer = load_tokenizer(source)
        check_tokenizer(tokenizer, source)
        examples, dropped = make_examples(tokenizer)
        if not examples:
            reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
            raise TrainingError(f"every example was dropped ({reasons}); raise max_tokens or mend the data")
        steps = math.ceil(config.epochs * math.ceil(len(examples) / config.batch_size))
        model = load_student(source, tokenizer, config.lora)
        trainer = build(model, tokenizer, examples, _trainer_arguments(config, seed, states, steps))
        with progress(title, steps, "step") as bar:
            trainer.add_callback(ProgressBar(bar))
            state = last_whole_state(states)
            trainer.train(resume_from_checkpoint=str(state) if state else None)
        save_student(trainer.model, tokenizer, stored_dtype(source), folder / "model")
    curve = _curve(trainer.state.log_history)
    summary = TrainingSummary(
        steps=steps,
        tokens=int(curve["tokens"].sum()),
        examples=len(examples),
        seconds=time.perf_counter() - start,
        curve=curve,
        dropped=dropped,
    )
    write_summary(summary, arguments, folder)
    drop_states(folder)
    return summary


def _arguments(stage: str, source: Path, rows: pl.DataFrame, config: StageConfig, seed: int) -> dict[str, JsonValue]:
    """What decides the weights, as recorded in a training's folder."""
    if not source.is_dir():
        raise TrainingError(f"{source}: no such folder; give a checkpoint in Hugging Face format")
    table = sorted(rows.select(sorted(rows.columns)).rows(), key=repr)
    return {
        "stage": stage,
        "version": TRAINING_VERSION,
        "checkpoint": digest_folder(source),
        "data": digest_json(table),
        "config": config.model_dump(mode="json"),
        "seed": seed,
    }


def _trainer_arguments(config: StageConfig, seed: int, states: Path, steps: int) -> dict[str, Any]:
    """What both stages tell the Hugging Face Trainer."""
    import torch

    return _ADAM | {
        "output_dir": str(states),
        "seed": seed,
        "max_steps": steps,
        "per_device_train_batch_size": config.batch_size // config.gradient_accumulation,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": math.ceil(config.warmup_share * steps),
        "optim": "adamw_torch_fused",
        "bf16": config.bf16,
        "activation_checkpointing": False,
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


def _peft_config(config: StageConfig) -> Any:  # noqa: ANN401
    if config.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _curve(history: Sequence[Mapping[str, float]]) -> pl.DataFrame:
    """The Trainer's log as a table, one row an optimizer step."""
    rows = [entry for entry in history if "loss" in entry]
    metrics = [name for name in rows[0] if name not in (*_LOGGED, "epoch", "num_tokens")]
    frame = pl.DataFrame(rows).select(*_LOGGED, *metrics)
    return frame.with_columns(pl.col("step", "tokens").cast(pl.Int64), pl.exclude("step", "tokens").cast(pl.Float64))
