"""TRL's trainers, made exact, repeatable and quiet.

What is TRL's: the loop, the optimizer, states, LoRA, the fused LM head. What is ours: the second stage's loss
(`marco_dag.training.objectives`), the order of the examples, the reference log-probabilities, what is logged, and that
a loss that is no number stops the run. Neither trainer evaluates; scores are `marco_dag.evaluation`'s.
"""

import contextlib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import DPOTrainer, SFTTrainer

from marco_dag.errors import TrainingError
from marco_dag.progress import Progress, progress
from marco_dag.training.config import RecipeConfig
from marco_dag.training.looks import Look
from marco_dag.training.objectives import joint_terms, next_token_mask, sequence_log_prob, sft_loss
from marco_dag.training.order import LengthGroupedOrder


class ProgressBar(TrainerCallback):
    """Shows optimizer steps and their loss on the house's bar, and the no-answer rate where it is watched."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar

    def on_train_begin(  # noqa: D102
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **_: object,
    ) -> None:
        self._bar.advance(state.global_step)

    def on_log(  # noqa: D102
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: Mapping[str, float] | None = None,
        **_: object,
    ) -> None:
        if logs and "loss" in logs:
            fields: dict[str, Any] = {"loss": f"{logs['loss']:.3f}"}
            if looks := Look.all_from_log(state.log_history):
                fields["no_answer"] = f"{looks[-1].no_answer_rate:.1%}"
            self._bar.advance(**fields)


class _StageTrainer:
    """What both stages have in common; stands before TRL's trainer among the bases.

    `lengths`: tokens of each example, in the order of the data set; `batch_size`: examples an optimizer step.
    """

    def __init__(self, *, lengths: Sequence[int], batch_size: int, **trainer: Any) -> None:  # noqa: ANN401
        self._lengths = lengths
        self._batch_size = batch_size
        self._step_sums: defaultdict[str, Tensor | float] = defaultdict(float)
        super().__init__(**trainer)
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroupedOrder:  # noqa: ARG002
        return LengthGroupedOrder(self._lengths, self._batch_size, self.args.seed)  # type: ignore[attr-defined]

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Tensor], *rest: Any) -> Tensor:  # noqa: ANN401
        self._step_sums["tokens"] += inputs["attention_mask"].sum()
        loss: Tensor = super().training_step(model, inputs, *rest)  # type: ignore[misc]
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the step's own metrics; TrainingError where the loss or the gradient is no finite number.

        Comes before the Trainer saves the step's state, so no state holds such weights.
        """
        step = self.state.global_step  # type: ignore[attr-defined]
        for name in ("loss", "grad_norm"):
            if not math.isfinite(logs.get(name, 0.0)):
                raise TrainingError(
                    f"step {step}: the {name.replace('_', ' ')} is {logs[name]}; lower learning_rate or lengthen "
                    "warmup_share, and look for broken weights in the checkpoint that training started from"
                )
        if "loss" in logs:
            logs |= {name: float(value) for name, value in self._step_sums.items()}
            self._step_sums.clear()
        super().log(logs, start_time)  # type: ignore[misc]

    def create_model_card(self, *_: object, **__: object) -> None:
        """No model card: lineage says what a checkpoint was made from."""

    def _send_telemetry(self) -> None:
        """Training talks to nobody."""


class SupervisedTrainer(_StageTrainer, SFTTrainer):
    """SFT: −log π(completion|prompt), a mean over the completion tokens of the whole optimizer step."""


class PreferenceTrainer(_StageTrainer, DPOTrainer):
    """The second stage: w·L_cDPO + α·L_SFT(chosen), a mean over the pairs of the whole optimizer step.

    With w = 0 the rejected side is never computed and no reference is needed; batches and their order stay the same.
    """

    loss_is_scaled_for_ga = True

    def __init__(self, *, recipe: RecipeConfig, **trainer: Any) -> None:  # noqa: ANN401
        self._recipe = recipe
        super().__init__(batch_size=recipe.batch_size, **trainer)

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset  # token ids already (marco_dag.training.examples)

    def _precompute_ref_logps(self, dataset: Dataset, *_: object) -> Dataset:
        """The data set with the reference's log-probabilities, computed once, before the first step.

        Ours, because TRL caches them on disk under a key that knows nothing of the mask they were summed under.
        """
        if self._recipe.preference_weight == 0:
            return dataset
        by_length = sorted(range(len(dataset)), key=lambda index: self._lengths[index])
        size = self.args.per_device_train_batch_size
        reference = torch.zeros(len(dataset), 2)
        training = self.model.training
        self.model.eval()
        with (
            torch.no_grad(),
            self.accelerator.autocast(),
            self.model.disable_adapter() if self._recipe.lora else contextlib.nullcontext(),
            progress("reference log-probabilities", len(dataset), "pair") as bar,
        ):
            for start in range(0, len(by_length), size):
                indices = by_length[start : start + size]
                batch = self._prepare_inputs(self.data_collator([dataset[index] for index in indices]))
                counted = next_token_mask(batch["preference_mask"])
                sides = sequence_log_prob(_log_probs(self.model, batch), counted).chunk(2)
                reference[indices] = torch.stack(sides, dim=1).cpu()
                bar.advance(len(indices))
        self.model.train(training)
        return dataset.add_column("ref_chosen_logps", reference[:, 0].tolist()).add_column(
            "ref_rejected_logps", reference[:, 1].tolist()
        )

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Tensor]], device: torch.device) -> int:  # noqa: ARG002
        """Pairs of the whole optimizer step, so that micro-batches add up whatever their sizes."""
        rows = sum(len(batch["input_ids"]) for batch in batch_samples)
        return rows if self._recipe.preference_weight == 0 else rows // 2

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Tensor:
        """The micro-batch's share of the step's mean over pairs."""
        if return_outputs:
            raise NotImplementedError("no logits are built, so there are no outputs to return")
        completion = inputs["completion_mask"]
        log_probs = _log_probs(model, inputs)  # [rows, T-1]
        share = 1 / (num_items_in_batch or self._get_num_items_in_batch([inputs], log_probs.device))
        if self._recipe.preference_weight == 0:
            sft = sft_loss(log_probs, next_token_mask(completion))  # [P]
            self._add({"sft_loss": sft}, share)
            return self._recipe.sft_weight * sft.sum() * share
        terms = joint_terms(
            log_probs,
            next_token_mask(completion),
            next_token_mask(inputs["preference_mask"]),
            inputs["ref_chosen_logps"],
            inputs["ref_rejected_logps"],
            beta=self._recipe.beta,
            label_smoothing=self._recipe.label_smoothing,
            preference_weight=self._recipe.preference_weight,
            sft_weight=self._recipe.sft_weight,
        )
        margin = terms.chosen_reward - terms.rejected_reward
        self._add(
            {
                "preference_loss": terms.preference,
                "sft_loss": terms.sft,
                "reward_chosen": terms.chosen_reward,
                "reward_rejected": terms.rejected_reward,
                "reward_margin": margin,
                "reward_accuracy": (margin > 0).float(),
            },
            share,
        )
        return terms.loss.sum() * share

    def _add(self, per_pair: Mapping[str, Tensor], share: float) -> None:
        for name, values in per_pair.items():
            self._step_sums[name] += values.detach().sum() * share


def _log_probs(model: torch.nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """Next-token log-probabilities [rows, T−1], float32, 0 outside the completions; by TRL's fused head."""
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    output = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        labels=labels,
        use_cache=False,
        fused_lm_head=True,
    )
    log_probs: Tensor = output.log_probs
    return log_probs
