"""What machines do in a second: the rates that an estimate rests on, each with where it comes from.

A rate is what is left of a device's arithmetic once memory, padding and idle moments are paid for. The CPU's was
measured on the miniature; those of the GPUs are shares of the data sheet's peak and were **not** measured by us: grow a
few trees (`marco estimate --pilot`) before you trust them with money.
"""

from collections.abc import Mapping
from dataclasses import dataclass

SEARCH_SHARE = 0.39
"""What a search gets out of an engine, over what as many independent responses get: trees wait for their own steps.

The miniature on two cores, prompts counted: 14 of 36 billion operations a second (trees and scores of the run behind
the README's table: 555,927 tokens in 58.2 s, 895,446 in 44.8 s).
"""


@dataclass(frozen=True, slots=True)
class Hardware:
    """One kind of device."""

    name: str
    """How the command line calls it."""
    description: str
    """What it is."""
    training: float
    """Floating-point operations a second of a device in training, useful ones only (6 a parameter and token)."""
    sampling_in_process: float
    """The same in sampling by the transformers engine (2 a parameter and token), many sequences at once."""
    sampling_by_server: float
    """The same by a vLLM server that is kept busy."""
    is_gpu: bool = True
    """Whether its time is counted in GPU-hours."""
    search_share: float = SEARCH_SHARE
    """See `SEARCH_SHARE`."""


_TRAINING_SHARE = 0.35
"""Of a GPU's peak in training: between the 0.3 of a plain Hugging Face trainer and the 0.5 of tuned code."""
_SERVER_SHARE = 0.10
"""Of a GPU's peak in sampling by a busy vLLM: some 6,000 tokens a second of an 8B model on an H100."""
_IN_PROCESS_SHARE = 0.01
"""Of a GPU's peak in sampling by the transformers engine, whose steps wait for Python."""


def _gpu(name: str, description: str, peak: float) -> Hardware:
    """A GPU whose dense bfloat16 peak, in operations a second, its data sheet says."""
    return Hardware(
        name,
        description,
        training=_TRAINING_SHARE * peak,
        sampling_in_process=_IN_PROCESS_SHARE * peak,
        sampling_by_server=_SERVER_SHARE * peak,
    )


HARDWARE: Mapping[str, Hardware] = {
    hardware.name: hardware
    for hardware in (
        Hardware(
            "cpu",
            "two cores of a shared x86-64 server, float32",
            training=75e9,  # the miniature: pretraining 70, SFT 80, second stages 70 to 90
            sampling_in_process=36e9,  # the miniature's scores, prompts counted; see SEARCH_SHARE
            sampling_by_server=8e9,  # vLLM's CPU build took 4.1k tokens a second of a 3 M model at 256 sequences, / 3
            is_gpu=False,
        ),
        _gpu("l4", "NVIDIA L4, 24 GB", 121e12),
        _gpu("rtx4090", "NVIDIA GeForce RTX 4090, 24 GB", 165e12),
        _gpu("a100", "NVIDIA A100, 80 GB", 312e12),
        _gpu("h100", "NVIDIA H100 SXM, 80 GB", 989e12),
        _gpu("h200", "NVIDIA H200, 141 GB", 989e12),
    )
}
"""By the name on the command line."""
