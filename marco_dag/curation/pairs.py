"""Preference pairs: a correct chain against the wrong chains of its own tree (paper §3.2).

Chooses pairs, and says of each how sure its tree is. Does not mask or weigh anything (`marco_dag.training`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeAlias

import polars as pl

from marco_dag.curation.balance import preferred_first, usable_chains, with_prompts
from marco_dag.curation.chains import Encode
from marco_dag.curation.config import CurationConfig, LengthRank
from marco_dag.curation.paths import Fork, Node, TreePaths
from marco_dag.curation.smoothing import visit_smoothing
from marco_dag.errors import CurationError
from marco_dag.identity import content_id
from marco_dag.schemas import conform

_Chain: TypeAlias = dict[str, Any]
"""A row of schemas.CHAINS."""


def preference_pairs(
    chains: pl.DataFrame,
    thoughts: pl.DataFrame,
    seeds: pl.DataFrame,
    encode: Encode,
    ranks: Sequence[LengthRank],
    config: CurationConfig,
) -> pl.DataFrame:
    """The pairs (schemas.PREFERENCE_PAIRS), for each rank its own: rows are told apart by (chosen_rank, pair_id).

    Which chains are set against each other is `config.pairing`:

    - "shortest-prefix": the prompt's shortest, longest or nearest-to-median correct chain, by the rank, against each
      wrong chain of its tree;
    - "every-divergence": for every point of a tree (the prompt, or a thought) behind which a correct and a wrong chain
      part, one pair of chains that part exactly there: of the correct ones the first in the rank's order, of the wrong
      ones the shortest, then by id.

    A prompt gives up to `pairs_per_prompt`: those with the shortest common prefix in the student's tokens first, then
    with the shorter rejected chain, then by its id. Chosen and rejected never have the same tokens. Chains over
    `max_chain_tokens` are left out beforehand; prompts without a wrong chain beside a chosen one give no pair.

    `label_smoothing` is the ε that the visits of the two siblings tell with which the chains go their own ways
    (`marco_dag.curation.smoothing`).

    `thoughts` (schemas.THOUGHTS): those that the chains were extracted from. Rows are ordered by rank (as in `ranks`),
    seed_id, then as taken. CurationError if a chain's prompt is not in `seeds`, or its tree not in `thoughts`.
    """
    usable = usable_chains(conform(chains, "chains"), config)
    wrong, correct = usable.filter(~pl.col("correct")), usable.filter(pl.col("correct"))
    chosen = {rank: _chosen(correct, rank, config).join(wrong, on="tree_id", how="semi") for rank in ranks}
    texts = pl.concat([wrong, *chosen.values()])["text"].unique(maintain_order=True).to_list()
    if not texts:
        return conform(pl.DataFrame(), "preference_pairs")
    tokens = dict(zip(texts, encode(texts), strict=True))
    rivals = wrong.sort("tokens", "chain_id").partition_by("tree_id", as_dict=True)
    trees = _Trees(thoughts, wrong)
    rows = [
        _row(contest, rank, trees)
        for rank, correct_ones in chosen.items()
        for prompt in correct_ones.partition_by("seed_id", maintain_order=True)
        for contest in _contests_of(prompt, rivals, tokens, trees, config)
    ]
    if not rows:
        return conform(pl.DataFrame(), "preference_pairs")
    return conform(with_prompts(pl.DataFrame(rows), seeds), "preference_pairs")


def common_prefix_length(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences have in common from the start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


@dataclass(frozen=True, slots=True)
class _Contest:
    """Two chains of one tree that could be a pair."""

    chosen: _Chain
    rejected: _Chain
    common: int
    """Tokens that they share from the start."""


class _Trees:
    """The trees' paths, each tree read when it is first asked for."""

    def __init__(self, thoughts: pl.DataFrame, chains: pl.DataFrame) -> None:
        self._thoughts = (
            conform(thoughts, "thoughts")
            .select("tree_id", "node_id", "parent_id", "visits", "value")
            .join(chains, on="tree_id", how="semi")
            .partition_by("tree_id", as_dict=True)
        )
        self._paths: dict[str, TreePaths] = {}

    def fork(self, contest: _Contest) -> Fork:
        """Where the two chains part; CurationError if their tree has no thoughts."""
        tree_id = contest.chosen["tree_id"]
        if tree_id not in self._paths:
            if (tree_id,) not in self._thoughts:
                raise CurationError(
                    f"tree {tree_id} has chains and no thoughts; pass the thoughts that the chains were extracted from"
                )
            self._paths[tree_id] = TreePaths(tree_id, self._thoughts[(tree_id,)])
        return self._paths[tree_id].fork(contest.chosen["leaf_id"], contest.rejected["leaf_id"])


def _chosen(correct: pl.DataFrame, rank: LengthRank, config: CurationConfig) -> pl.DataFrame:
    """The chains that may be chosen, prompt after prompt, within one the first choice first."""
    ordered = preferred_first(correct, rank)
    if config.pairing == "every-divergence":
        return ordered
    return ordered.unique("seed_id", keep="first", maintain_order=True)


def _contests_of(
    correct: pl.DataFrame,
    rivals: Mapping[tuple[Any, ...], pl.DataFrame],
    tokens: Mapping[str, list[int]],
    trees: _Trees,
    config: CurationConfig,
) -> Sequence[_Contest]:
    """The contests of one prompt that become its pairs, in their order."""
    contests = _contests(correct, rivals, tokens)
    if config.pairing == "every-divergence":
        contests = _one_for_each_divergence(contests, trees)
    return sorted(contests, key=_parting_first)[: config.pairs_per_prompt]


def _contests(
    correct: pl.DataFrame, rivals: Mapping[tuple[Any, ...], pl.DataFrame], tokens: Mapping[str, list[int]]
) -> Iterator[_Contest]:
    """Each correct chain against the wrong ones of its tree, if the student can tell them apart."""
    for chosen in correct.iter_rows(named=True):
        chosen_ids = tokens[chosen["text"]]
        for rejected in rivals[(chosen["tree_id"],)].iter_rows(named=True):
            rejected_ids = tokens[rejected["text"]]
            if rejected_ids != chosen_ids:
                yield _Contest(chosen, rejected, common_prefix_length(chosen_ids, rejected_ids))


def _one_for_each_divergence(contests: Iterator[_Contest], trees: _Trees) -> Iterator[_Contest]:
    """The first contest at each point where chains part."""
    seen: set[tuple[str, str | None]] = set()
    for contest in contests:
        point = contest.chosen["tree_id"], trees.fork(contest).parent_id
        if point not in seen:
            seen.add(point)
            yield contest


def _parting_first(contest: _Contest) -> tuple[int, int, str, str]:
    rejected = contest.rejected
    return contest.common, rejected["tokens"], rejected["chain_id"], contest.chosen["chain_id"]


def _row(contest: _Contest, rank: LengthRank, trees: _Trees) -> dict[str, Any]:
    chosen, rejected, fork = contest.chosen, contest.rejected, trees.fork(contest)
    return {
        "pair_id": content_id("pair", chosen["chain_id"], rejected["chain_id"]),
        "seed_id": chosen["seed_id"],
        "chosen_chain_id": chosen["chain_id"],
        "rejected_chain_id": rejected["chain_id"],
        "chosen": chosen["text"],
        "rejected": rejected["text"],
        "chosen_rank": rank,
        "chosen_tokens": chosen["tokens"],
        "rejected_tokens": rejected["tokens"],
        "common_prefix_tokens": contest.common,
        "label_smoothing": visit_smoothing(*_answers_below(fork.first), *_answers_below(fork.second)),
        "batch": chosen["batch"],
    }


def _answers_below(node: Node) -> tuple[int, int]:
    """How many were correct, and how many there are."""
    correct, visits = int(node["value"]), int(node["visits"])
    if correct != node["value"] or not 0 <= correct <= visits:
        raise CurationError(
            f"thought {node['node_id']}: of its {visits} answers {node['value']} cannot be correct; "
            "the thoughts table is damaged: search this tree again"
        )
    return correct, visits
