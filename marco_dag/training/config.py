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
    max_loss_rise: float = Field(3.0, gt=1)
    """Training stops once the median loss of five steps is over this many times the first step's (or one nat), > 1."""

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
    """A second stage on the SFT checkpoint: L = w·L_pref + α·L_SFT(chosen) (Marco-o1 v2, arXiv 2503.01461, §3.3).

    L_pref = −(1−ε)·log σ(βh) − ε·log σ(−βh), h = (log π − log π_ref)(chosen) − (log π − log π_ref)(rejected). Which of
    the published objectives that is, the fields say; in code it is `marco_dag.training.objectives`.
    """

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
