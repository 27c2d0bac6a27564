"""Chains: every root-to-answer path of the search trees that may be trained on.

Decides what a chain is and how long it is beside its siblings. Does not decide which chains are used
(`marco_dag.curation.balance`, `marco_dag.curation.pairs`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import polars as pl

from marco_dag.curation.paths import TreePaths
from marco_dag.identity import content_id
from marco_dag.schemas import conform
from marco_dag.thoughts import Thought, ThoughtKind, render_chain

Encode: TypeAlias = Callable[[Sequence[str]], list[list[int]]]
"""Texts → their token ids by the student's tokenizer, without special tokens at either end."""

_RECOVERIES = (ThoughtKind.REFLECTION, ThoughtKind.RECLARIFY)

_Row: TypeAlias = dict[str, Any]


def extract_chains(trees: pl.DataFrame, thoughts: pl.DataFrame, encode: Encode) -> pl.DataFrame:
    """The chains (schemas.CHAINS) of `trees`: every path from a root to a checked answer without a defective thought.

    A chain that two paths of one prompt spell is one row, with the tree and leaf that come first by id. `tokens` is the
    length of the text by `encode`, which is called once. `length_rank` orders one prompt's correct chains by tokens,
    then id: the first is "shortest", the last "longest", all between "medium"; so one chain alone is "shortest", two
    are "shortest" and "longest", and wrong chains have none.

    `thoughts` of trees that are not listed are left out. Rows are ordered by seed_id, tokens, chain_id.
    CurationError if a thought's parent is missing or a path runs in a circle.
    """
    rows = _merge_duplicates(_paths(trees, thoughts))
    if not rows:
        return conform(pl.DataFrame(), "chains")
    lengths = [len(ids) for ids in encode([row["text"] for row in rows])]
    chains = pl.DataFrame(rows, infer_schema_length=None).with_columns(tokens=pl.Series(lengths, dtype=pl.Int64))
    return conform(_rank_by_length(chains), "chains")


def _paths(trees: pl.DataFrame, thoughts: pl.DataFrame) -> Iterator[_Row]:
    """One unmeasured row for each path, ordered by tree and leaf."""
    if trees.is_empty() or thoughts.is_empty():
        return
    by_tree = thoughts.partition_by("tree_id", as_dict=True)
    for tree in trees.sort("tree_id").iter_rows(named=True):
        nodes = by_tree.get((tree["tree_id"],))
        if nodes is None:
            continue
        paths = TreePaths(tree["tree_id"], nodes)
        for leaf in paths.checked_answers:
            path = paths.to(leaf["node_id"])
            if any(node["defect"] is not None for node in path):
                continue
            kinds = [ThoughtKind(node["kind"]) for node in path]
            text = render_chain([Thought(kind, node["text"]) for kind, node in zip(kinds, path, strict=True)])
            yield {
                "chain_id": content_id("chain", tree["seed_id"], text),
                "tree_id": tree["tree_id"],
                "leaf_id": leaf["node_id"],
                "seed_id": tree["seed_id"],
                "text": text,
                "correct": leaf["reward"] == 1.0,
                "truncated": False,
                "reflections": sum(kind in _RECOVERIES for kind in kinds),
                "batch": tree["batch"],
            }


def _merge_duplicates(rows: Iterator[_Row]) -> list[_Row]:
    first: dict[str, _Row] = {}
    for row in rows:
        first.setdefault(row["chain_id"], row)
    return list(first.values())


def _rank_by_length(chains: pl.DataFrame) -> pl.DataFrame:
    """`chains` in their final order, with `length_rank`."""
    prompt = ["seed_id", "correct"]
    position = pl.int_range(pl.len()).over(prompt)
    rank = (
        pl.when(~pl.col("correct"))
        .then(pl.lit(None, dtype=pl.String))
        .when(position == 0)
        .then(pl.lit("shortest"))
        .when(position == pl.len().over(prompt) - 1)
        .then(pl.lit("longest"))
        .otherwise(pl.lit("medium"))
    )
    return chains.sort("seed_id", "tokens", "chain_id").with_columns(length_rank=rank)
