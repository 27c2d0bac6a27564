"""What a profile says about training: the optimizer, the SFT stage and the second-stage recipes."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from marco_dag.config import Config
from marco_dag.curation.config import LengthRank
from marco_dag.identity import JsonValue


class LoraConfig(Config):
    """Low-rank adapters instead of full weights; they are merged into the saved checkpoint."""

    rank: int = Field(16, ge=1)
    """Rank of the update matrices, ≥ 1."""
    alpha: int = Field(32, ge=1)
    """Scale of the update, alpha/rank, ≥ 1."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout on the adapters' input, in [0, 1)."""
    quantize: Literal["nf4"] | None = None
    """`nf4` holds the frozen weights in 4 bits while training (QLoRA; needs bitsandbytes); null as they are stored."""


class ParallelConfig(Config):
    """Over which processes a stage is trained; each takes one GPU, or the CPU where there is none."""

    processes: Literal["auto"] | Annotated[int, Field(ge=1)] = 1
    """Processes on each node, ≥ 1; `auto` takes one for each GPU there, or one without GPUs."""
    nodes: int = Field(1, ge=1)
    """Machines that train together, ≥ 1. All see checkpoint and folder under the same paths."""
    endpoint: str | None = None
    """`host:port` of the first node, which the others can reach; for several nodes only."""
    sharding: Literal["none", "fsdp"] = "none"
    """`none`: each process holds the whole model; `fsdp`: all share weights, gradients and optimizer states (FSDP2)."""

    @model_validator(mode="after")
    def _nodes_can_meet(self) -> "ParallelConfig":
        if (self.nodes > 1) != (self.endpoint is not None):
            raise ValueError("endpoint: several nodes meet at host:port of the first, one node needs none")
        return self


class StageConfig(Config):
    """What SFT and the second stage have in common."""

    NOT_DECIDING: ClassVar[frozenset[str]] = frozenset(
        {"gradient_accumulation", "checkpoint_every", "activation_checkpointing", "parallel"}
    )
    """Fields that do not decide the weights: how a step is split and computed, which floating point alone can tell."""

    learning_rate: float = Field(gt=0)
    """Peak learning rate of AdamW, > 0; warm-up, then linear decay."""
    epochs: float = Field(1.0, gt=0)
    """Passes over the data, > 0."""
    batch_size: int = Field(32, ge=1)
    """Examples (SFT) or pairs (second stage) an optimizer step over all processes, ≥ 1."""
    gradient_accumulation: int = Field(1, ge=1)
    """Micro-batches that each process splits an optimizer step into, ≥ 1; times all processes it must divide
    `batch_size`."""
    warmup_share: float = Field(0.1, ge=0, lt=1)
    """Share of the steps that warm the learning rate up, in [0, 1)."""
    max_tokens: int = Field(2048, ge=8)
    """Longest example in tokens, prompt included, ≥ 8; longer ones are dropped and counted."""
    checkpoint_every: int = Field(100, ge=1)
    """Optimizer steps between two saved training states, from which a killed run goes on, ≥ 1."""
    lora: LoraConfig | None = None
    """Train low-rank adapters only; null trains all weights."""
    bf16: bool = False
    """Train in bfloat16 mixed precision."""
    activation_checkpointing: bool = False
    """Keep only each layer's input for the backward pass and compute the rest again: less memory, more time."""
    parallel: ParallelConfig = ParallelConfig()
    """Over which processes the stage is trained."""

    @model_validator(mode="after")
    def _micro_batches_are_equal(self) -> "StageConfig":
        processes = self.parallel.processes
        self.micro_batch(self.parallel.nodes * (1 if processes == "auto" else processes))
        return self

    @model_validator(mode="after")
    def _quantized_weights_are_whole(self) -> "StageConfig":
        if self.lora and self.lora.quantize and self.parallel.sharding == "fsdp":
            raise ValueError("lora.quantize: 4-bit weights are not sharded; set parallel.sharding to none")
        return self

    def micro_batch(self, ranks: int) -> int:
        """Examples or pairs that each of `ranks` processes puts through the model at once; ValueError if uneven."""
        size, rest = divmod(self.batch_size, self.gradient_accumulation * ranks)
        if rest:
            split = f"gradient_accumulation: {self.gradient_accumulation}"
            split += f" times {ranks} processes (parallel) does" if ranks > 1 else " does"
            raise ValueError(f"{split} not divide batch_size {self.batch_size}")
        return size

    def deciding(self) -> dict[str, JsonValue]:
        """The fields that decide the weights, as JSON: what a checkpoint is keyed by."""
        return self.model_dump(mode="json", exclude=set(self.NOT_DECIDING))


class SftConfig(StageConfig):
    """The first stage: supervised fine-tuning on the balanced CoT set."""

    learning_rate: float = Field(2e-5, gt=0)
    """Peak learning rate; TRL's default is 2e-5."""


class RecipeConfig(StageConfig):
    """A second stage on the SFT checkpoint: L = w·L_cDPO + α·L_SFT(chosen) (paper §3.3)."""

    NOT_DECIDING: ClassVar[frozenset[str]] = StageConfig.NOT_DECIDING | {"description", "candidate"}

    description: str
    """One line for the results table."""
    candidate: bool = True
    """Whether the checkpoint is meant for use: too high a no-answer rate then fails its check, else it only warns."""
    learning_rate: float = Field(1e-6, gt=0)
    """Peak learning rate; TRL's default for DPO is 1e-6."""
    chosen: LengthRank = "shortest"
    """Which correct chain is chosen: the paper's length balance takes the shortest."""
    preference_weight: float = Field(1.0, ge=0)
    """w, the weight of the preference term, ≥ 0; 0 leaves plain SFT on the chosen chains."""
    beta: float = Field(0.1, gt=0)
    """β of DPO: how closely the policy is held to the reference, > 0."""
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    """ε of cDPO: the assumed share of flipped preferences, in [0, 0.5)."""
    sft_weight: float = Field(0.0, ge=0)
    """α of the joint objective, ≥ 0; the paper found 1 best."""
    prefix_masking: Literal["none", "dpo"] = "none"
    """`dpo` leaves the tokens that chosen and rejected share out of every log-probability of the preference term."""

    @model_validator(mode="after")
    def _something_is_learnt(self) -> "RecipeConfig":
        if self.preference_weight == 0 and self.sft_weight == 0:
            raise ValueError("preference_weight and sft_weight are both 0: give at least one of them a weight")
        return self
