"""What a profile says about scoring checkpoints."""

from pydantic import Field

from marco_dag.config import Config


class EvaluationConfig(Config):
    """How a checkpoint answers the held-out questions."""

    max_tokens: int = Field(1024, ge=1)
    """Sampled tokens a response may have, ≥ 1; a longer one is clipped."""
    temperature: float = Field(1.0, gt=0)
    """Temperature of the sampled pass, > 0; the other pass is greedy."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus mass of the sampled pass, in (0, 1]."""
    samples: int = Field(1, ge=1)
    """Sampled responses a question, ≥ 1."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """Coverage of the reported intervals, in (0, 1)."""
    no_answer_limit: float = Field(0.05, ge=0, le=1)
    """The check on a second-stage checkpoint blocks above this sampled no-answer rate, in [0, 1]."""
