"""What trees bring to training: a few of them, rehearsed or real, through the curation that all will run through."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from marco_dag.curation import balanced_cot, extract_chains, preference_pairs
from marco_dag.curation.chains import Encode
from marco_dag.curation.config import LengthRank
from marco_dag.profiles import Profile
from marco_dag.search import Forest


@dataclass(frozen=True, slots=True)
class PairYield:
    """The preference pairs of one chosen rank."""

    count: float
    """A tree."""
    chosen_tokens: float
    """Of the chosen completion, mean; 0 where there is no pair."""
    rejected_tokens: float
    """Of the rejected completion, mean; 0 where there is no pair."""


@dataclass(frozen=True, slots=True)
class TreeYield:
    """Means a tree."""

    trees: int
    """How many they are the means of."""
    tokens: float
    """Sampled."""
    critic_share: float
    """Share of them that the critic samples, in [0, 1]."""
    thoughts: float
    """Nodes."""
    chains: float
    """Finished chains, right or wrong."""
    chain_tokens: float
    """Of a chain, mean."""
    examples: float
    """SFT examples."""
    example_tokens: float
    """Of an example's completion, mean; 0 where there is none."""
    pairs: Mapping[LengthRank, PairYield]
    """By the chosen rank, those that the profile's recipes ask for."""


def yield_of(forest: Forest, questions: pl.DataFrame, encode: Encode, profile: Profile) -> TreeYield:
    """The means over the trees of `forest`, at least one, grown from `questions` (schemas.SEED_PROMPTS)."""
    trees, thoughts = forest.trees, forest.thoughts
    chains = extract_chains(trees, thoughts, encode)
    examples = balanced_cot(chains, questions, profile.curation)
    pairs = preference_pairs(chains, thoughts, questions, encode, profile.chosen_ranks, profile.curation)
    of_critic = int(thoughts.filter(role="critic")["tokens"].sum())
    return TreeYield(
        trees=trees.height,
        tokens=_mean(trees["tokens"]),
        critic_share=of_critic / max(1, int(thoughts["tokens"].sum())),
        thoughts=thoughts.height / trees.height,
        chains=chains.height / trees.height,
        chain_tokens=_mean(chains["tokens"]),
        examples=examples.height / trees.height,
        example_tokens=_mean(examples["tokens"]),
        pairs={rank: _pairs_of(pairs.filter(chosen_rank=rank), trees.height) for rank in profile.chosen_ranks},
    )


def _pairs_of(pairs: pl.DataFrame, trees: int) -> PairYield:
    return PairYield(pairs.height / trees, _mean(pairs["chosen_tokens"]), _mean(pairs["rejected_tokens"]))


def _mean(values: pl.Series) -> float:
    return float(values.sum()) / len(values) if len(values) else 0.0
