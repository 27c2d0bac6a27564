"""Thoughts length balance: which correct chains of a prompt are taken (paper §3.2).

Lengths are relative, in the student's tokens among one prompt's own chains, never fixed thresholds. A chain is taken
whole or not at all.
"""

import polars as pl

from marco_dag.curation.config import CurationConfig, LengthRank
from marco_dag.errors import CurationError
from marco_dag.schemas import conform


def balanced_cot(chains: pl.DataFrame, seeds: pl.DataFrame, config: CurationConfig) -> pl.DataFrame:
    """The SFT set (schemas.COT_SET): up to `sft_chains_per_prompt` correct chains of every prompt that has one.

    They are taken longest first, shortest first or nearest the median first, by `sft_rank`, ties by chain_id; chains of
    over `max_chain_tokens` are left out beforehand. Rows are ordered by seed_id, then as taken. CurationError if a
    chain's prompt is not in `seeds`.
    """
    correct = usable_chains(conform(chains, "chains"), config).filter(pl.col("correct"))
    taken = (
        preferred_first(correct, config.sft_rank)
        .group_by("seed_id", maintain_order=True)
        .head(config.sft_chains_per_prompt)
    )
    prompted = with_prompts(taken, seeds)
    columns = ["chain_id", "seed_id", "prompt", "completion", "tokens", "length_rank", "batch"]
    return conform(prompted.rename({"text": "completion"}).select(columns), "cot_set")


def usable_chains(chains: pl.DataFrame, config: CurationConfig) -> pl.DataFrame:
    """The chains that were not cut and are within `max_chain_tokens`."""
    within = pl.lit(True) if config.max_chain_tokens is None else pl.col("tokens") <= config.max_chain_tokens
    return chains.filter(~pl.col("truncated") & within)


def preferred_first(chains: pl.DataFrame, rank: LengthRank) -> pl.DataFrame:
    """`chains` by seed_id, and within a prompt the one that `rank` asks for first; ties by chain_id.

    "medium" asks for the smallest distance to the median of the prompt's lengths, the shorter of two as near.
    """
    median = pl.col("tokens").median().over("seed_id")
    order = {
        "shortest": pl.col("tokens"),
        "medium": (pl.col("tokens") - median).abs(),
        "longest": -pl.col("tokens"),
    }[rank]
    return chains.sort(pl.col("seed_id"), order, pl.col("tokens"), pl.col("chain_id"))


def with_prompts(rows: pl.DataFrame, seeds: pl.DataFrame) -> pl.DataFrame:
    """`rows` with the `prompt` of their seed_id; CurationError names a seed that is missing."""
    prompts = conform(seeds, "seed_prompts").select("seed_id", "prompt").unique("seed_id", keep="first")
    joined = rows.join(prompts, on="seed_id", how="left", maintain_order="left")
    missing = joined.filter(pl.col("prompt").is_null())
    if not missing.is_empty():
        raise CurationError(
            f"{missing.height} rows belong to prompts that the seeds table lacks, first {missing['seed_id'][0]}; "
            "pass the seeds that the trees were grown from"
        )
    return joined
