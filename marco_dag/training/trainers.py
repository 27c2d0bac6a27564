"""TRL's trainers, made exact, repeatable and quiet.

What is TRL's: the loop, the optimizer, states, LoRA, the fused LM head of padded batches. What is ours: the packed
forward (`marco_dag.training.packing`), the losses' normalisation, the second stage's loss
(`marco_dag.training.objectives`), the order of the examples and how ranks share them, the reference log-probabilities,
what is logged, and that a broken loss stops the run. Neither trainer evaluates; scores are `marco_dag.evaluation`'s.
"""

import contextlib
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from datasets import Dataset
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTTrainer

from marco_dag.errors import TrainingError
from marco_dag.progress import Progress, progress
from marco_dag.training.config import RecipeConfig, StageConfig
from marco_dag.training.dealing import DealtBatches
from marco_dag.training.looks import Look
from marco_dag.training.objectives import joint_terms, next_token_mask, pair_log_probs, sft_loss
from marco_dag.training.order import ExampleOrder
from marco_dag.training.packing import PACKED, PathScores
from marco_dag.training.sharding import ShardedStates, give_back_weights
from marco_dag.training.soundness import fault_of_step, last_sound_state

_NOTHING = "weighs_nothing"
"""Marks the batch of a rank that was dealt no example: computed, because ranks move together, and left out."""


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


class _StageTrainer(ShardedStates):
    """What both stages have in common; stands before TRL's trainer among the bases.

    `order`: of the examples, by their places in the data set; `ids`: the row id of each example.

    A loss is a mean over the items (tokens, pairs) of the whole optimizer step, over its micro-batches and all ranks:
    each micro-batch is divided by the step's items, and multiplied by the ranks, whose gradients are averaged.
    """

    loss_is_scaled_for_ga = True
    train_dataset: Dataset

    def __init__(self, *, order: ExampleOrder, ids: Sequence[str], config: StageConfig, **trainer: Any) -> None:  # noqa: ANN401
        self._order = order
        self._ids = ids
        self._max_loss_rise = config.max_loss_rise
        self._step_sums: defaultdict[str, Tensor | float] = defaultdict(float)
        super().__init__(**trainer)
        self.remove_callback(PrinterCallback)  # type: ignore[attr-defined]

    @abstractmethod
    def _items(self, batch: Mapping[str, Tensor]) -> int:
        """What the loss is a mean over: how many of them `batch` holds."""

    @abstractmethod
    def _item_sums(self, model: torch.nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and each of the stage's own metrics, summed over the items of `batch`; scalars."""

    def get_train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """The micro-batches of this rank in the order of training."""
        args = self.args
        batches = DealtBatches(
            self._order, args.per_device_train_batch_size, rank=args.process_index, ranks=max(args.world_size, 1)
        )
        loader: DataLoader[dict[str, Tensor]] = DataLoader(
            self.train_dataset,
            batch_sampler=batches,
            collate_fn=self._collate,
            pin_memory=args.dataloader_pin_memory,
        )
        # One process as far as accelerate is concerned: the batches are dealt already.
        prepared: DataLoader[dict[str, Tensor]] = prepare_data_loader(
            loader, args.device, num_processes=1, process_index=0, put_on_device=True
        )
        return prepared

    def _collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self.data_collator(rows or [self.train_dataset[0]])  # type: ignore[attr-defined]
        return batch if rows else batch | {_NOTHING: True}

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Tensor]], device: torch.device) -> int:
        """The items of the whole optimizer step, over its micro-batches and all ranks."""
        items = sum(self._items(batch) for batch in batch_samples if _NOTHING not in batch)
        return int(self._over_ranks([items], device)[0])

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Tensor], *rest: Any) -> Tensor:  # noqa: ANN401
        self._step_sums["tokens"] += 0 if _NOTHING in inputs else inputs["attention_mask"].sum()
        loss: Tensor = super().training_step(model, inputs, *rest)  # type: ignore[misc]
        return loss

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Tensor:
        """The micro-batch's share of the step's mean, times the ranks."""
        if return_outputs:
            raise NotImplementedError("no logits are built, so there are no outputs to return")
        share = 1 / (num_items_in_batch or self._items(inputs))
        if inputs.pop(_NOTHING, False):
            share = 0.0
        loss, metrics = self._item_sums(model, inputs)
        for name, total in metrics.items():
            self._step_sums[name] += total.detach() * share
        share_of_ranks: Tensor = loss * (share * max(self.args.world_size, 1))
        return share_of_ranks

    def _save_rng_state(self, output_dir: str) -> None:
        """Every rank's, and only then on: what comes after, trainer_state.json, says that the state is whole."""
        super()._save_rng_state(output_dir)  # type: ignore[misc]
        self.accelerator.wait_for_everyone()  # type: ignore[attr-defined]

    def _over_ranks(self, numbers: Sequence[float], device: torch.device) -> list[float]:
        """Each of `numbers`, summed over all ranks."""
        if self.args.world_size <= 1:
            return list(numbers)
        summed: Tensor = self.accelerator.reduce(torch.tensor(numbers, dtype=torch.float64, device=device), "sum")  # type: ignore[attr-defined]
        return summed.tolist()

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the step's own metrics; TrainingError where its loss or gradient is broken.

        Comes before the Trainer saves the step's state, so no state holds weights that such a gradient moved.
        """
        if "loss" in logs:
            self._stop_if_broken(logs)
            names = sorted(self._step_sums)
            sums = [float(self._step_sums[name]) for name in names]
            logs |= zip(names, self._over_ranks(sums, self.args.device), strict=True)
            self._step_sums.clear()
        super().log(logs, start_time)  # type: ignore[misc]

    def _stop_if_broken(self, logs: Mapping[str, float]) -> None:
        history, step = self.state.log_history, self.state.global_step  # type: ignore[attr-defined]
        fault = fault_of_step(history, logs, self._max_loss_rise)
        if fault is None:
            return
        ids = ", ".join(self._ids[index] for index in self._order.of_step(step))
        sound = last_sound_state(Path(self.args.output_dir), history, logs, self._max_loss_rise)
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

    def _items(self, batch: Mapping[str, Tensor]) -> int:
        return int((batch["labels"][:, 1:] != -100).sum())

    def _item_sums(self, model: torch.nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        scores = _score(model, batch, batch["labels"])
        metrics = {"entropy": scores["entropy"].sum(), "mean_token_accuracy": scores["is_top1"].sum()}
        return -scores.log_probs.sum(), metrics


class PreferenceTrainer(_StageTrainer, SFTTrainer):
    """The second stage: w·L_pref + α·L_SFT(chosen), a mean over the pairs of the whole optimizer step.

    With w = 0 the rejected side is never computed and no reference is needed; batches and their order stay the same.
    `reference_batches`: the examples as they go through the reference together, by their places in the data set.

    On TRL's SFTTrainer, not its DPOTrainer, which would load a second model or hash the whole of the first, and cache
    the reference's log-probabilities on disk under a key that knows nothing of the mask they were summed under.
    """

    def __init__(
        self,
        *,
        recipe: RecipeConfig,
        reference_batches: Sequence[Sequence[int]],
        **trainer: Any,  # noqa: ANN401
    ) -> None:
        self._recipe = recipe
        super().__init__(config=recipe, **trainer)
        if recipe.preference_weight > 0:
            self.train_dataset = self._with_reference(self.train_dataset, reference_batches)

    def _with_reference(self, dataset: Dataset, batches: Sequence[Sequence[int]]) -> Dataset:
        """The data set with the reference's log-probabilities: the model's as it is, computed once."""
        rank, ranks = self.args.process_index, max(self.args.world_size, 1)
        reference = torch.zeros(len(dataset), 2)
        training = self.model.training
        # No dropout is left to turn off, and in eval mode bitsandbytes may repack 4-bit weights, for inference alone.
        self.model.train()
        with (
            torch.no_grad(),
            self.accelerator.autocast(),
            self.model.disable_adapter() if self._recipe.lora else contextlib.nullcontext(),  # type: ignore[operator]
            progress("reference log-probabilities", len(dataset), "pair") as bar,
        ):
            for dealt in batches:
                start, end = (len(dealt) * at // ranks for at in (rank, rank + 1))
                # A rank that is dealt none computes one all the same: a sharded model needs every rank's part.
                indices = dealt[start:end] or dealt[:1]
                batch = self._prepare_inputs(self.data_collator([dataset[index] for index in indices]))
                sides = pair_log_probs(
                    _completion_log_probs(self.model, batch),
                    next_token_mask(batch["preference_mask"]),
                    length_normalised=self._recipe.length_normalised,
                    ld_alpha=self._recipe.ld_alpha,
                )
                if end > start:
                    reference[indices] = torch.stack(sides, dim=1).cpu()
                bar.advance(len(dealt))
        self.model.train(training)
        give_back_weights(self.model)
        if ranks > 1:
            reference = self.accelerator.reduce(reference.to(self.args.device), "sum").cpu()
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

    def _items(self, batch: Mapping[str, Tensor]) -> int:
        rows = len(batch["input_ids"])
        return rows if self._recipe.preference_weight == 0 else rows // 2

    def _item_sums(self, model: torch.nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        imitated = next_token_mask(
            batch["preference_mask" if self._recipe.prefix_masking == "dpo+sft" else "completion_mask"]
        )
        log_probs = _completion_log_probs(model, batch)  # [rows, T-1]
        if self._recipe.preference_weight == 0:
            sft = sft_loss(log_probs, imitated).sum()
            return self._recipe.sft_weight * sft, {"sft_loss": sft}
        terms = joint_terms(
            log_probs,
            imitated,
            next_token_mask(batch["preference_mask"]),
            batch["ref_chosen_logps"],
            batch["ref_rejected_logps"],
            beta=self._recipe.beta,
            label_smoothing=batch.get("label_smoothing", self._recipe.label_smoothing),
            preference_weight=self._recipe.preference_weight,
            sft_weight=self._recipe.sft_weight,
            length_normalised=self._recipe.length_normalised,
            ld_alpha=self._recipe.ld_alpha,
        )
        margin = terms.chosen_reward - terms.rejected_reward
        metrics = {
            "preference_loss": terms.preference,
            "sft_loss": terms.sft,
            "reward_chosen": terms.chosen_reward,
            "reward_rejected": terms.rejected_reward,
            "reward_margin": margin,
            "reward_accuracy": (margin > 0).float(),
        }
        return terms.loss.sum(), {name: values.sum() for name, values in metrics.items()}


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
