"""What a profile costs: the work of its stages over the rates of a machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from marco_dag.estimate.hardware import Hardware
from marco_dag.estimate.work import BOOKKEEPING_BYTES, StageWork

STEP_SECONDS = 2.0
"""A step beyond its work: its imports, its model, its place in MLflow and lineage."""

SERVER_SECONDS = 180.0
"""A vLLM server before its first token: weights read, graphs captured. Minutes; not measured by us."""


@dataclass(frozen=True, slots=True)
class StageCost:
    """What one stage takes."""

    stage: str
    sampled: float
    """Tokens sampled."""
    trained: float
    """Tokens trained on."""
    seconds: float
    """Wall-clock time."""
    gpu_hours: float
    """Of all devices together; 0 without a GPU."""
    kept: float
    """Bytes that stay."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a profile takes."""

    stages: Sequence[StageCost]
    peak_bytes: float
    """At most on the disk at any moment: what is kept so far and what passes."""

    @property
    def total(self) -> StageCost:
        """The sum of the stages, and what is kept whatever they are."""
        stages = self.stages
        return StageCost(
            "in all",
            sampled=sum(stage.sampled for stage in stages),
            trained=sum(stage.trained for stage in stages),
            seconds=sum(stage.seconds for stage in stages),
            gpu_hours=sum(stage.gpu_hours for stage in stages),
            kept=sum(stage.kept for stage in stages) + BOOKKEEPING_BYTES,
        )


def cost(stages: Sequence[StageWork], hardware: Hardware) -> Estimate:
    """The cost of `stages`, one after the other, on as many devices of `hardware` as each asks for."""
    found, kept, peak = [], BOOKKEEPING_BYTES, 0.0
    for work in stages:
        start = STEP_SECONDS + (SERVER_SECONDS if work.engine == "vllm" else 0.0)
        seconds = start + work.training / (hardware.training * work.devices)
        if work.sampling:
            rate = hardware.sampling_in_process if work.engine == "transformers" else hardware.sampling_by_server
            share = hardware.search_share if work.is_search else 1.0
            seconds += work.sampling / (rate * share * work.devices)
        hours = seconds * work.devices / 3600 if hardware.is_gpu else 0.0
        found.append(StageCost(work.stage, work.sampled, work.trained, seconds, hours, work.kept))
        kept += work.kept
        peak = max(peak, kept + work.passing)
    return Estimate(found, peak)
