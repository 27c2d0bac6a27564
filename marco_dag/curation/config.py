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
    pairing: Literal["shortest-prefix", "every-divergence"] = "shortest-prefix"
    """`shortest-prefix`, the paper's: the prompt's chosen chain against the wrong ones that part from it first.
    `every-divergence`: one pair for every thought behind which a correct and a wrong chain part."""
    pairs_per_prompt: int = Field(2, ge=1)
    """Preference pairs a prompt gives at most for each chosen rank, ≥ 1; those that part first are kept."""
    max_chain_tokens: int | None = Field(None, ge=1)
    """Longer chains (student's tokens) are left out of both sets; null for no limit."""
