"""Preference pairs: a correct chain against the wrong chains of its own tree (paper §3.2).

Chooses pairs. Does not mask or weigh anything (`marco_dag.training`).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import polars as pl

from marco_dag.curation.balance import preferred_first, usable_chains, with_prompts
from marco_dag.curation.chains import Encode
from marco_dag.curation.config import CurationConfig, LengthRank
from marco_dag.identity import content_id
from marco_dag.schemas import conform


def preference_pairs(
    chains: pl.DataFrame, seeds: pl.DataFrame, encode: Encode, ranks: Sequence[LengthRank], config: CurationConfig
) -> pl.DataFrame:
    """The pairs (schemas.PREFERENCE_PAIRS), for each rank its own: rows are told apart by (chosen_rank, pair_id).

    Chosen is the prompt's shortest, longest or nearest-to-median correct chain; rejected are up to `pairs_per_prompt`
    wrong chains of the same tree, those with the shortest common prefix with the chosen one in the student's tokens
    first, then the shorter, then by id. Chosen and rejected never have the same tokens. Chains over `max_chain_tokens`
    are left out beforehand; prompts without a wrong chain beside the chosen one give no pair. Rows are ordered by rank
    (as in `ranks`), seed_id, then as chosen. CurationError if a chain's prompt is not in `seeds`.
    """
    usable = usable_chains(conform(chains, "chains"), config)
    wrong, correct = usable.filter(~pl.col("correct")), usable.filter(pl.col("correct"))
    wrong_by_tree = wrong.partition_by("tree_id", as_dict=True)
    chosen = {rank: _first_of_prompt(correct, rank) for rank in ranks}
    texts = pl.concat([wrong, *chosen.values()])["text"].unique(maintain_order=True).to_list()
    if not texts:
        return conform(pl.DataFrame(), "preference_pairs")
    tokens = dict(zip(texts, encode(texts), strict=True))
    rows = [
        row
        for rank, picked in chosen.items()
        for chain in picked.iter_rows(named=True)
        if (siblings := wrong_by_tree.get((chain["tree_id"],))) is not None
        for row in _pairs_of(chain, siblings, rank, tokens, config.pairs_per_prompt)
    ]
    if not rows:
        return conform(pl.DataFrame(), "preference_pairs")
    return conform(with_prompts(pl.DataFrame(rows), seeds), "preference_pairs")


def common_prefix_length(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences have in common from the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _first_of_prompt(correct: pl.DataFrame, rank: LengthRank) -> pl.DataFrame:
    return preferred_first(correct, rank).unique("seed_id", keep="first", maintain_order=True)


def _pairs_of(
    chosen: dict[str, Any], wrong: pl.DataFrame, rank: LengthRank, tokens: Mapping[str, list[int]], most: int
) -> Iterator[dict[str, Any]]:
    chosen_ids = tokens[chosen["text"]]
    candidates = [
        (common_prefix_length(chosen_ids, tokens[rejected["text"]]), rejected["tokens"], rejected["chain_id"], rejected)
        for rejected in wrong.iter_rows(named=True)
        if tokens[rejected["text"]] != chosen_ids
    ]
    for common, _, _, rejected in sorted(candidates, key=lambda candidate: candidate[:3])[:most]:
        yield {
            "pair_id": content_id("pair", chosen["chain_id"], rejected["chain_id"]),
            "seed_id": chosen["seed_id"],
            "chosen_chain_id": chosen["chain_id"],
            "rejected_chain_id": rejected["chain_id"],
            "chosen": chosen["text"],
            "rejected": rejected["text"],
            "chosen_rank": rank,
            "chosen_tokens": chosen["tokens"],
            "rejected_tokens": rejected["tokens"],
            "common_prefix_tokens": common,
            "label_smoothing": None,
            "batch": chosen["batch"],
        }
