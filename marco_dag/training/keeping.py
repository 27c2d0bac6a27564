"""The trained weights of single steps, kept beside the training states until the best of them is known.

Only what is trained is written, in the type it is trained in: under LoRA that is the adapters. A model must lie whole
in this process; shards of one are nobody's to keep here.
"""

from collections.abc import Collection
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_NAME = "kept-{step}.safetensors"


class KeptWeights:
    """A folder of weights by optimizer step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, model: nn.Module, step: int) -> None:
        """Write the trained weights of `model` as those of `step`; the file is whole or absent."""
        file = self._file(step)
        partial = file.with_name(f"{file.name}.partial")
        save_file({name: weight.detach().cpu().contiguous() for name, weight in _trained(model).items()}, partial)
        partial.rename(file)

    def restore(self, model: nn.Module, step: int) -> None:
        """Give `model` the trained weights of `step`, in place; FileNotFoundError if they were not kept."""
        kept = load_file(self._file(step))
        with torch.no_grad():
            for name, weight in _trained(model).items():
                weight.copy_(kept[name])

    def keep_only(self, steps: Collection[int]) -> None:
        """Delete the weights of all other steps."""
        wanted = {self._file(step) for step in steps}
        for file in self._folder.glob(_NAME.format(step="*")):
            if file not in wanted:
                file.unlink()

    def _file(self, step: int) -> Path:
        return self._folder / _NAME.format(step=step)


def _trained(model: nn.Module) -> dict[str, Tensor]:
    """By name; a weight that is tied to another stands once."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
