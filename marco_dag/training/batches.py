"""Token ids as the data sets and padded batches that the trainers take."""

from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from trl.trainer.dpo_trainer import DataCollatorForPreference

from marco_dag.training.examples import PairExample, SftExample
from marco_dag.training.objectives import prefix_mask


class PairCollator(DataCollatorForPreference):
    """Pads pairs to one length: chosen rows, then rejected rows, and which of their tokens count in h.

    With `chosen_only` the batch is the chosen rows alone.
    """

    def __init__(self, pad_token_id: int, *, mask_prefix: bool, chosen_only: bool) -> None:
        super().__init__(pad_token_id=pad_token_id)
        self._mask_prefix = mask_prefix
        self._chosen_only = chosen_only

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask`, `completion_mask`, `preference_mask`: [2P, T].

        And, where the data set has them, `ref_chosen_logps`, `ref_rejected_logps` and `label_smoothing`: [P].
        """
        batch: dict[str, Tensor] = super().torch_call(examples)
        counted = batch["completion_mask"]
        if self._mask_prefix:
            shared = prefix_mask(*batch["input_ids"].chunk(2), *batch["attention_mask"].bool().chunk(2))
            counted = counted.masked_fill(shared.repeat(2, 1), 0)
        batch["preference_mask"] = counted
        if self._chosen_only:
            rows, width = len(examples), int(batch["attention_mask"][: len(examples)].sum(dim=1).max())
            return {name: values[:rows, :width] for name, values in batch.items()}
        if "label_smoothing" in examples[0]:
            batch["label_smoothing"] = torch.tensor([example["label_smoothing"] for example in examples])
        return batch


def sft_dataset(examples: Sequence[SftExample]) -> Dataset:
    """The columns that TRL's SFTTrainer trains on; the loss is on the completion alone."""
    return Dataset.from_dict(
        {
            "input_ids": [example.prompt + example.completion for example in examples],
            "labels": [[-100] * len(example.prompt) + example.completion for example in examples],
        }
    )


def pair_dataset(examples: Sequence[PairExample], default_smoothing: float | None = None) -> Dataset:
    """The columns that TRL's DPOTrainer trains on; with `default_smoothing` each pair's ε, too, or else that."""
    columns: dict[str, list[Any]] = {
        "prompt_ids": [example.prompt for example in examples],
        "chosen_ids": [example.chosen for example in examples],
        "rejected_ids": [example.rejected for example in examples],
    }
    if default_smoothing is not None:
        columns["label_smoothing"] = [
            default_smoothing if example.label_smoothing is None else example.label_smoothing for example in examples
        ]
    return Dataset.from_dict(columns)
