"""The ranks of a training: the processes that torchrun has started, and this one among them."""

import os
from datetime import timedelta

import torch
from torch import distributed

_LONGEST_WAIT = timedelta(hours=2)
"""For ranks that wait on one that loads or saves a large model."""


def join(where: str) -> None:
    """Find the other ranks at `where` (`file://…`, `env://`) and talk to them from now on; binds this rank's GPU."""
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    if device.type != "cpu":
        torch.accelerator.set_device_index(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group(
        distributed.get_default_backend_for_device(device),
        init_method=where,
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=_LONGEST_WAIT,
    )


def count() -> int:
    """How many ranks train together; 1 in a process that has joined none."""
    return distributed.get_world_size() if distributed.is_initialized() else 1
