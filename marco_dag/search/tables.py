"""Finished searches as rows of the `trees` and `thoughts` tables."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from marco_dag.schemas import THOUGHTS, TREES
from marco_dag.search.tree_search import TreeSearch


@dataclass(frozen=True, eq=False)
class Forest:
    """What a search grew."""

    trees: pl.DataFrame
    """`schemas.TREES`, in the order of the seeds."""
    thoughts: pl.DataFrame
    """`schemas.THOUGHTS`, tree after tree; within one, a parent stands before its children."""


@dataclass(frozen=True, slots=True)
class TreeRows:
    """One tree's rows, in the columns of the schemas."""

    tree: tuple[object, ...]
    thoughts: list[tuple[object, ...]]


def rows_of(search: TreeSearch, seed_id: str, batch: str, task: str) -> TreeRows:
    """The rows of a finished search."""
    tree_id = search.tree.tree_id
    thoughts: list[tuple[object, ...]] = [
        (
            node.node_id,
            tree_id,
            node.parent.node_id if node.parent else None,
            node.thought.kind.value,
            node.thought.text,
            node.tokens,
            node.finish_reason,
            node.defect,
            node.role,
            node.model_digest,
            node.sampling_seed,
            node.sample,
            node.visits,
            node.value,
            node.is_answer,
            node.reward,
            node.verdict,
            node.depth,
            node.forced,
            node.confidence,
        )
        for node in search.tree.nodes
    ]
    tree = (
        tree_id,
        seed_id,
        task,
        batch,
        search.pattern.name,
        search.strategy,
        search.rollouts,
        len(thoughts),
        search.correct,
        search.wrong,
        search.stop_reason,
        search.tokens,
        search.seconds,
    )
    return TreeRows(tree, thoughts)


def to_forest(grown: Iterable[TreeRows]) -> Forest:
    """The two tables of any number of trees, none included."""
    rows = list(grown)
    return Forest(
        trees=pl.DataFrame([row.tree for row in rows], schema=TREES, orient="row"),
        thoughts=pl.DataFrame([thought for row in rows for thought in row.thoughts], schema=THOUGHTS, orient="row"),
    )
