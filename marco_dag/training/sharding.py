"""A model whose weights are spread over all ranks (FSDP2): how it is loaded, its states, and how it becomes whole.

transformers shards it while loading, each rank reading its own part, by the model's own plan (each layer is a unit);
its Trainer then reduces the gradients, but saves no states of such a model: those are here.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import FSDPModule
from transformers import TrainingArguments
from transformers.distributed import DistributedConfig
from transformers.trainer_utils import SaveStrategy

from marco_dag.training import ranks
from marco_dag.training.config import StageConfig
from marco_dag.training.states import SHARDED_OPTIMIZER

_WEIGHTS = "weights.safetensors"
_SCHEDULER = "scheduler.pt"


def distribution(config: StageConfig) -> DistributedConfig | None:
    """How the model is spread over the ranks of this launch; None where each has the whole of it."""
    if config.parallel.sharding == "none" or ranks.count() == 1:
        return None
    return DistributedConfig(fsdp_size=ranks.count(), fsdp_mixed_precision=config.bf16)


def is_sharded(model: torch.nn.Module) -> bool:
    """Whether `model` was loaded with a `distribution`."""
    return bool(getattr(model, "is_distributed_loading_by_transformers", False))


def give_back_weights(model: torch.nn.Module) -> None:
    """After a forward without a backward: hold this rank's share again of the weights that FSDP2 has left whole."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def trained_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """On rank 0 the whole of every weight that is trained, by its name, on the CPU; on the others nothing.

    Every rank has to call it.
    """
    return get_model_state_dict(  # type: ignore[return-value]
        model, options=StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    )


class ShardedStates:
    """Saves and reads the states of a sharded model for a Trainer, before which it stands among the bases.

    A state is whole, gathered on rank 0: it needs that much memory there, and fits any number of ranks. States of other
    models are left to transformers.
    """

    model: torch.nn.Module
    args: TrainingArguments
    optimizer: Any
    lr_scheduler: torch.optim.lr_scheduler.LRScheduler

    def __init__(self, *, model: torch.nn.Module, args: TrainingArguments, **trainer: Any) -> None:  # noqa: ANN401
        strategy = args.save_strategy
        if is_sharded(model):
            args.save_strategy = SaveStrategy.NO  # transformers refuses to begin with any other
        super().__init__(model=model, args=args, **trainer)  # type: ignore[call-arg]
        self.args.save_strategy = strategy

    def _save(self, output_dir: str, state_dict: dict[str, Tensor] | None = None) -> None:
        if not is_sharded(self.model):
            super()._save(output_dir, state_dict)  # type: ignore[misc]
            return
        weights = trained_weights(self.model)
        if self.args.should_save:
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            save_file(weights, Path(output_dir) / _WEIGHTS)

    def _load_from_checkpoint(self, state: str, model: torch.nn.Module | None = None) -> None:
        if not is_sharded(self.model):
            super()._load_from_checkpoint(state, model)  # type: ignore[misc]
            return
        weights: dict[str, Any] = load_file(Path(state) / _WEIGHTS) if self.args.process_index == 0 else {}
        set_model_state_dict(self.model, weights, options=_from_rank_0(strict=False))  # frozen weights are not in it

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not is_sharded(self.model):
            super()._save_optimizer_and_scheduler(output_dir)  # type: ignore[misc]
            return
        gathered = StateDictOptions(full_state_dict=True, cpu_offload=True)
        moments = get_optimizer_state_dict(self.model, self.optimizer.optimizer, options=gathered)
        if self.args.should_save:
            torch.save(moments, Path(output_dir) / SHARDED_OPTIMIZER)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / _SCHEDULER)

    def _load_optimizer_and_scheduler(self, state: str | None) -> None:
        if state is None or not is_sharded(self.model):
            super()._load_optimizer_and_scheduler(state)  # type: ignore[misc]
            return
        first = self.args.process_index == 0
        moments = torch.load(Path(state) / SHARDED_OPTIMIZER, map_location="cpu", weights_only=True) if first else {}
        set_optimizer_state_dict(self.model, self.optimizer.optimizer, moments, options=_from_rank_0())
        self.lr_scheduler.load_state_dict(torch.load(Path(state) / _SCHEDULER, weights_only=True))


def _from_rank_0(*, strict: bool = True) -> StateDictOptions:
    return StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=strict)
