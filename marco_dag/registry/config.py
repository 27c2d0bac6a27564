"""What a profile says about promoting a checkpoint."""

from pydantic import Field

from marco_dag.config import Config


class PromotionConfig(Config):
    """When a candidate counts as not worse than the champion."""

    margin: float = Field(0.05, ge=0, le=1)
    """How much worse the candidate may be at the bad end of the interval, over all held-out questions, in [0, 1].

    So few questions that the interval is wider than this prove nothing, and the candidate has to be forced.
    """
