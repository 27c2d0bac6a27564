"""The paths of one tree: from the prompt to a thought, and where two of them part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl

from marco_dag.errors import CurationError

Node: TypeAlias = Mapping[str, Any]
"""A row of schemas.THOUGHTS."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Where two paths of a tree part: the last thought that both hold, and the siblings that they go on with."""

    parent_id: str | None
    """The last thought of both; None where they part at the prompt."""
    first: Node
    """The sibling on the first path."""
    second: Node
    """The sibling on the second path."""


class TreePaths:
    """Looks paths up in one tree; each is walked once."""

    def __init__(self, tree_id: str, thoughts: pl.DataFrame) -> None:
        """`thoughts` (schemas.THOUGHTS, or those of its columns that are wanted): all of this tree."""
        self._tree_id = tree_id
        self._by_id: dict[str, Node] = {node["node_id"]: node for node in thoughts.iter_rows(named=True)}
        self._paths: dict[str, Sequence[Node]] = {}

    @property
    def checked_answers(self) -> Sequence[Node]:
        """The answers with a verdict, by id."""
        checked = [node for node in self._by_id.values() if node["is_answer"] and node["reward"] is not None]
        return sorted(checked, key=lambda node: node["node_id"])

    def to(self, node_id: str) -> Sequence[Node]:
        """The thoughts from the first to `node_id`, in reading order.

        CurationError if a thought is missing or the path runs in a circle.
        """
        if node_id not in self._paths:
            self._paths[node_id] = self._walk(node_id)
        return self._paths[node_id]

    def fork(self, first: str, second: str) -> Fork:
        """Where the paths to two answers part; CurationError where one of them goes on behind the other."""
        parent_id = None
        for one, other in zip(self.to(first), self.to(second), strict=False):
            if one["node_id"] != other["node_id"]:
                return Fork(parent_id, one, other)
            parent_id = one["node_id"]
        raise CurationError(
            f"tree {self._tree_id}: of the answers {first} and {second} one goes on behind the other; "
            "the thoughts table is damaged: search this tree again"
        )

    def _walk(self, node_id: str) -> Sequence[Node]:
        path = [self._find(node_id, f"a chain ends in thought {node_id}")]
        while (parent_id := path[-1]["parent_id"]) is not None:
            if len(path) > len(self._by_id):
                raise CurationError(
                    f"tree {self._tree_id}: the path to thought {node_id} runs in a circle; "
                    "the thoughts table is damaged: search this tree again"
                )
            path.append(self._find(parent_id, f"thought {path[-1]['node_id']} names parent {parent_id}"))
        path.reverse()
        return path

    def _find(self, node_id: str, reason: str) -> Node:
        if node_id not in self._by_id:
            raise CurationError(
                f"tree {self._tree_id}: {reason}, which is missing; "
                "the thoughts table is incomplete: search this tree again"
            )
        return self._by_id[node_id]
