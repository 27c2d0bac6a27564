"""What a profile says about turning trees into training sets."""

from typing import Literal, TypeAlias

from pydantic import Field

from marco_dag.config import Config

LengthRank: TypeAlias = Literal["shortest", "medium", "longest"]
"""A chain's length among one prompt's own correct chains, in the student's tokens (paper §3.2)."""


class CurationConfig(Config):
    """Thoughts length balance: SFT takes the longest, DPO the shortest (paper §3.2)."""

    sft_rank: LengthRank = "longest"
    """Which correct chains of a prompt the SFT set takes first."""
    sft_chains_per_prompt: int = Field(4, ge=1)
    """Correct chains a prompt gives to the SFT set at most, ≥ 1."""
    pairs_per_prompt: int = Field(2, ge=1)
    """Preference pairs a prompt gives at most for each chosen rank, ≥ 1; each has another rejected chain."""
    max_chain_tokens: int | None = Field(None, ge=1)
    """Longer chains (student's tokens) are left out of both sets; null for no limit."""
