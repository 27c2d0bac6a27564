"""TRL's trainers, made exact, repeatable and quiet.

What is TRL's: the loop, the optimizer, states, LoRA, the fused LM head of padded batches. What is ours: the packed
forward (`marco_dag.training.packing`), the second stage's loss (`marco_dag.training.objectives`), the order of the
examples, the reference log-probabilities, what is logged, and that a broken loss stops the run. Neither trainer
evaluates; scores are `marco_dag.evaluation`'s.
"""

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import DPOTrainer, SFTTrainer

from marco_dag.errors import TrainingError
from marco_dag.progress import Progress, progress
from marco_dag.training.config import RecipeConfig, StageConfig
from marco_dag.training.looks import Look
from marco_dag.training.objectives import joint_terms, next_token_mask, pair_log_probs, sft_loss
from marco_dag.training.order import ExampleOrder
from marco_dag.training.packing import PACKED, PathScores
from marco_dag.training.soundness import fault_of_step, last_sound_state


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

    `order`: of the examples, by their places in the data set; `ids`: the row id of each example.
    """

    def __init__(self, *, order: ExampleOrder, ids: Sequence[str], config: StageConfig, **trainer: Any) -> None:  # noqa: ANN401
        self._order = order
        self._ids = ids
        self._max_loss_rise = config.max_loss_rise
        self._step_sums: defaultdict[str, Tensor | float] = defaultdict(float)
        super().__init__(**trainer)
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> ExampleOrder:  # noqa: ARG002
        return self._order

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Tensor], *rest: Any) -> Tensor:  # noqa: ANN401
        self._step_sums["tokens"] += inputs["attention_mask"].sum()
        loss: Tensor = super().training_step(model, inputs, *rest)  # type: ignore[misc]
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the step's own metrics; TrainingError where its loss or gradient is broken.

        Comes before the Trainer saves the step's state, so no state holds weights that such a gradient moved.
        """
        if "loss" in logs:
            self._stop_if_broken(logs)
            logs |= {name: float(value) for name, value in self._step_sums.items()}
            self._step_sums.clear()
        super().log(logs, start_time)  # type: ignore[misc]

    def _stop_if_broken(self, logs: Mapping[str, float]) -> None:
        history, step = self.state.log_history, self.state.global_step  # type: ignore[attr-defined]
        fault = fault_of_step(history, logs, self._max_loss_rise)
        if fault is None:
            return
        ids = ", ".join(self._ids[index] for index in self._get_train_sampler().of_step(step))
        sound = last_sound_state(Path(self.args.output_dir), history, logs, self._max_loss_rise)  # type: ignore[attr-defined]
        raise TrainingError(
            f"step {step}: {fault}; lower learning_rate or lengthen warmup_share, and look for broken weights in the "
            f"checkpoint that training started from; last good state: {sound or 'none was saved'}; "
            f"examples of this step: {ids}"
        )

    def create_model_card(self, *_: object, **__: object) -> None:
        """No model card: lineage says what a checkpoint was made from."""

    def _send_telemetry(self) -> None:
        """Training talks to nobody."""


class SupervisedTrainer(_StageTrainer, SFTTrainer):
    """SFT: −log π(completion|prompt), a mean over the completion tokens of the whole optimizer step."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The micro-batch's share of the step's mean over tokens: TRL's loss, of packed rows or of a padded batch."""
        if return_outputs:
            raise NotImplementedError("no logits are built, so there are no outputs to return")
        labels = inputs["labels"]
        scores = _score(model, inputs, labels)
        tokens = (labels[:, 1:] != -100).sum() if num_items_in_batch is None else num_items_in_batch
        for metric, name in (("entropy", "entropy"), ("mean_token_accuracy", "is_top1")):
            self._step_sums[metric] += scores[name].detach().sum() / tokens
        return -scores.log_probs.sum() / tokens


class PreferenceTrainer(_StageTrainer, DPOTrainer):
    """The second stage: w·L_pref + α·L_SFT(chosen), a mean over the pairs of the whole optimizer step.

    With w = 0 the rejected side is never computed and no reference is needed; batches and their order stay the same.
    `reference_batches`: the examples as they go through the reference together, by their places in the data set.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        *,
        recipe: RecipeConfig,
        reference_batches: Sequence[Sequence[int]],
        **trainer: Any,  # noqa: ANN401
    ) -> None:
        self._recipe = recipe
        self._reference_batches = reference_batches
        super().__init__(config=recipe, **trainer)

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset  # token ids already (marco_dag.training.examples)

    def _precompute_ref_logps(self, dataset: Dataset, *_: object) -> Dataset:
        """The data set with the reference's log-probabilities, computed once, before the first step.

        Ours, because TRL caches them on disk under a key that knows nothing of the mask they were summed under.
        """
        if self._recipe.preference_weight == 0:
            return dataset
        reference = torch.zeros(len(dataset), 2)
        training = self.model.training
        self.model.eval()
        with (
            torch.no_grad(),
            self.accelerator.autocast(),
            self.model.disable_adapter() if self._recipe.lora else contextlib.nullcontext(),
            progress("reference log-probabilities", len(dataset), "pair") as bar,
        ):
            for indices in self._reference_batches:
                batch = self._prepare_inputs(self.data_collator([dataset[index] for index in indices]))
                sides = pair_log_probs(
                    _completion_log_probs(self.model, batch),
                    next_token_mask(batch["preference_mask"]),
                    length_normalised=self._recipe.length_normalised,
                    ld_alpha=self._recipe.ld_alpha,
                )
                reference[indices] = torch.stack(sides, dim=1).cpu()
                bar.advance(len(indices))
        self.model.train(training)
        self._refuse_a_broken_reference(reference)
        return dataset.add_column("ref_chosen_logps", reference[:, 0].tolist()).add_column(
            "ref_rejected_logps", reference[:, 1].tolist()
        )

    def _refuse_a_broken_reference(self, reference: Tensor) -> None:
        broken = (~reference.isfinite().all(dim=1)).nonzero().flatten().tolist()
        if broken:
            raise TrainingError(
                f"the checkpoint gives {len(broken)} of {len(reference)} pairs a log-probability that is no finite "
                f"number, first {self._ids[broken[0]]}; its weights are broken: train or copy it again"
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
        imitated = inputs["preference_mask" if self._recipe.prefix_masking == "dpo+sft" else "completion_mask"]
        log_probs = _completion_log_probs(model, inputs)  # [rows, T-1]
        share = 1 / (num_items_in_batch or self._get_num_items_in_batch([inputs], log_probs.device))
        if self._recipe.preference_weight == 0:
            sft = sft_loss(log_probs, next_token_mask(imitated))  # [P]
            self._add({"sft_loss": sft}, share)
            return self._recipe.sft_weight * sft.sum() * share
        terms = joint_terms(
            log_probs,
            next_token_mask(imitated),
            next_token_mask(inputs["preference_mask"]),
            inputs["ref_chosen_logps"],
            inputs["ref_rejected_logps"],
            beta=self._recipe.beta,
            label_smoothing=inputs.get("label_smoothing", self._recipe.label_smoothing),
            preference_weight=self._recipe.preference_weight,
            sft_weight=self._recipe.sft_weight,
            length_normalised=self._recipe.length_normalised,
            ld_alpha=self._recipe.ld_alpha,
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


def _completion_log_probs(model: torch.nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """Next-token log-probabilities [rows, T−1] of a batch of pairs, float32, 0 outside the completions."""
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    return _score(model, batch, labels).log_probs


def _score(model: torch.nn.Module, batch: Mapping[str, Any], labels: Tensor) -> PathScores:
    """The scores of the `labels` [rows, T] that are not −100: from packed rows, or from padded ones by TRL's head."""
    if PACKED in batch:
        scores: PathScores = model(packed=batch[PACKED])
        return scores
    output = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        labels=labels,
        use_cache=False,
        fused_lm_head=True,
    )
    return PathScores(output.log_probs, output.entropy, output.is_top1)
