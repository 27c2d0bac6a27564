"""What a profile says about the embedded models that are trained from scratch."""

from pydantic import Field

from marco_dag.config import Config


class ArchitectureConfig(Config):
    """The shape of a Llama model, the same for all three roles."""

    hidden_size: int = Field(128, ge=16)
    """Width, ≥ 16; a multiple of `heads`."""
    layers: int = Field(4, ge=1)
    """Transformer blocks, ≥ 1."""
    heads: int = Field(4, ge=1)
    """Attention heads, ≥ 1."""
    key_value_heads: int = Field(1, ge=1)
    """Heads of keys and values, ≥ 1; divides `heads`. One makes decoding on a CPU twice as fast."""
    max_positions: int = Field(1024, ge=64)
    """Longest sequence in tokens, ≥ 64."""


class PretrainingConfig(Config):
    """How one model learns from generated traces."""

    steps: int = Field(ge=1)
    """Optimizer steps, ≥ 1."""
    learning_rate: float = Field(4e-3, gt=0)
    """Peak learning rate of Muon (matrices) and AdamW (the rest), > 0; cosine decay."""
    tokens_per_step: int = Field(1536, ge=64)
    """Padded tokens a step, ≥ 64."""
    error_rate: float = Field(0.15, ge=0, lt=1)
    """Share of worked attempts in the traces that hold a mistake, in [0, 1): what keeps the teacher imperfect."""


class MiniatureConfig(Config):
    """The three tiny models."""

    architecture: ArchitectureConfig = ArchitectureConfig()
    """Their shape."""
    generator: PretrainingConfig = PretrainingConfig(steps=1500)
    """The model that writes thoughts."""
    critic: PretrainingConfig = PretrainingConfig(steps=250, learning_rate=1.5e-3)
    """The model that writes reflections; fine-tuned from the generator."""
    student: PretrainingConfig = PretrainingConfig(steps=1100, error_rate=0.4)
    """The base student: knows the tags, answers mostly at once, and is often wrong."""
