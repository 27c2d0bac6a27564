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


class WatchConfig(Config):
    """The dial: while a stage trains, it answers a few held-out questions that are scored nowhere, again and again.

    The answers are sampled, each question's with the same random numbers at every look.
    """

    prompts: int = Field(96, ge=16)
    """Questions a look, ≥ 16: fewer cannot tell a climb from noise. Of all tasks in turn; see docs/training.md."""
    every_steps: int = Field(20, ge=1)
    """Optimizer steps between two looks, ≥ 1; there is one before the first step and one after the last, too."""
    max_tokens: int = Field(1024, ge=1)
    """Sampled tokens an answer may have, ≥ 1; a longer one is clipped and mostly gives no answer."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature, > 0; a collapse shows at 1 before it shows in greedy decoding."""
    max_live_sequences: int = Field(96, ge=1)
    """Questions answered together, ≥ 1; fewer need less memory beside the training's."""
    climb: float = Field(0.05, gt=0, lt=1)
    """Rise of the no-answer rate over the lowest seen that counts as a climb, in (0, 1), if it is beyond the noise."""
    confidence: float = Field(0.95, ge=0.5, lt=1)
    """Chance, at least, that no look of a run with a steady no-answer rate is taken for a climb, in [0.5, 1)."""
    action: Literal["stop", "lower", "none"] = "stop"
    """What a climb does: `stop` ends the stage, `lower` lowers the learning rate, `none` only notes it."""
    factor: float = Field(0.3, gt=0, lt=1)
    """By what each climb multiplies the learning rate under `lower`, in (0, 1)."""
    keep: Literal["best", "last"] = "best"
    """Whose weights are saved: `last`, or `best`: the last, unless the run ends in a climb. Then those of the most
    accurate look whose no-answer rate was not above the lowest seen, one-sided at `confidence`."""


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
    max_loss_rise: float = Field(3.0, gt=1)
    """Training stops once the median loss of five steps is over this many times the first step's (or one nat), > 1."""
    watch: WatchConfig | None = None
    """Watch the no-answer rate while training, and act where it climbs; null: train to the end unwatched."""
    packing: Literal["tree", "none"] = "tree"
    """`tree` computes a prefix that examples of a step share once, and puts examples of one prompt into one step."""
    row_tokens: int = Field(4096, ge=1)
    """Packed tokens a row at most, ≥ 1; a larger tree is cut, its stem repeated. Only a longer example exceeds it."""
    forward_tokens: int = Field(32768, ge=1)
    """Packed tokens in memory at once at most, ≥ 1; a micro-batch of more is computed in parts, each of them twice."""
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

    @model_validator(mode="after")
    def _watched_weights_are_whole(self) -> "StageConfig":
        if self.watch and self.parallel.sharding == "fsdp":
            raise ValueError("watch: a sharded model cannot answer; set watch to null or parallel.sharding to none")
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
    """A second stage on the SFT checkpoint: L = w·L_pref + α·L_SFT(chosen) (Marco-o1 v2, arXiv 2503.01461, §3.3).

    L_pref = −(1−ε)·log σ(βh) − ε·log σ(−βh), h = (log π − log π_ref)(chosen) − (log π − log π_ref)(rejected). Which of
    the published objectives that is, the fields say; in code it is `marco_dag.training.objectives`.
    """

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
    """β of DPO (arXiv 2305.18290, equation 7): how closely the policy is held to the reference, > 0."""
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)
    """ε of cDPO (Mitchell 2023, equation 3): the assumed share of flipped preferences, in [0, 0.5); 0 is DPO."""
    smoothing_from: Literal["recipe", "pair"] = "recipe"
    """`pair` takes each pair's own ε (its `label_smoothing`, 0 to 0.5), and the recipe's where a pair has none."""
    length_normalised: bool = False
    """Divide each log-probability in h by its counted tokens (Tulu 3, arXiv 2411.15124, §5); wants a larger β."""
    ld_alpha: float = Field(1.0, ge=0, le=1)
    """LD-DPO's weight, in h, of the longer side's tokens beyond the shorter's length (arXiv 2409.06411), in [0, 1]."""
    sft_weight: float = Field(0.0, ge=0)
    """α of the joint objective, ≥ 0; the paper found 1 best."""
    prefix_masking: Literal["none", "dpo", "dpo+sft"] = "none"
    """`dpo` leaves the tokens that chosen and rejected share out of h (paper §3.3); `dpo+sft` out of L_SFT as well."""

    @model_validator(mode="after")
    def _something_is_learnt(self) -> "RecipeConfig":
        if self.preference_weight == 0 and self.sft_weight == 0:
            raise ValueError("preference_weight and sft_weight are both 0: give at least one of them a weight")
        return self
