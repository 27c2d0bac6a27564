"""What a profile says about training: the optimizer, the SFT stage and the second-stage recipes."""

from typing import Literal

from pydantic import Field, model_validator

from marco_dag.config import Config
from marco_dag.curation.config import LengthRank


class LoraConfig(Config):
    """Low-rank adapters instead of full weights; they are merged into the saved checkpoint."""

    rank: int = Field(16, ge=1)
    """Rank of the update matrices, ≥ 1."""
    alpha: int = Field(32, ge=1)
    """Scale of the update, alpha/rank, ≥ 1."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout on the adapters' input, in [0, 1)."""


class StageConfig(Config):
    """What SFT and the second stage have in common."""

    learning_rate: float = Field(gt=0)
    """Peak learning rate of AdamW, > 0; warm-up, then linear decay."""
    epochs: float = Field(1.0, gt=0)
    """Passes over the data, > 0."""
    batch_size: int = Field(32, ge=1)
    """Examples (SFT) or pairs (second stage) an optimizer step, ≥ 1."""
    gradient_accumulation: int = Field(1, ge=1)
    """Micro-batches an optimizer step is split into, ≥ 1; must divide `batch_size`."""
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

    @model_validator(mode="after")
    def _micro_batches_are_equal(self) -> "StageConfig":
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"gradient_accumulation: {self.gradient_accumulation} does not divide batch_size {self.batch_size}"
            )
        return self


class SftConfig(StageConfig):
    """The first stage: supervised fine-tuning on the balanced CoT set."""

    learning_rate: float = Field(2e-5, gt=0)
    """Peak learning rate; TRL's default is 2e-5."""


class RecipeConfig(StageConfig):
    """A second stage on the SFT checkpoint: L = w·L_cDPO + α·L_SFT(chosen) (paper §3.3)."""

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
