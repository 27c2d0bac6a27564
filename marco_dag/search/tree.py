"""The search tree: its nodes, UCB selection, back-propagation and closing (paper §3.1).

It knows no engine, no task and no pattern: what a node's children are is `marco_dag.search.expansion`'s business, and
in which order things happen `marco_dag.search.rollout`'s.
"""

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from marco_dag.engines.protocol import FinishReason, Role
from marco_dag.identity import content_id
from marco_dag.thoughts import Thought, ThoughtKind


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """A point from which the search can go on: the prompt, or a thought."""

    node_id: str | None = None
    """Content id; None for the prompt."""
    parent: "Node | None" = field(default=None, repr=False)
    """None for the prompt."""
    depth: int = 0
    """Thoughts on the way from the prompt, this one included."""
    children: "list[ThoughtNode]" = field(default_factory=list, repr=False)
    """In the order they were written."""
    expanded: bool = False
    """Whether its children were asked for; that happens once."""
    closed: bool = False
    """Whether nothing below can be grown any more."""
    visits: int = 0
    """Leaves below that were back-propagated, itself included."""
    value: float = 0.0
    """Sum of the rewards of those leaves, in [0, visits]."""


@dataclass(slots=True, eq=False, kw_only=True)
class ThoughtNode(Node):
    """A thought in its tree, and where it came from."""

    thought: Thought
    """Kind and text."""
    role: Role
    """Who wrote it."""
    model_digest: str
    """Of the model that wrote it."""
    sampling_seed: int
    """Of the request that wrote it."""
    sample: int
    """0-based place among the request's samples."""
    tokens: int
    """Sampled by the engine."""
    finish_reason: FinishReason
    """Why its text ended."""
    defect: str | None = None
    """Why it is a closed leaf that is never trained on; None for a whole thought."""
    forced: bool = False
    """Whether it was forced by a wrong answer."""
    confidence: float | None = None
    """The model's own, where it was asked for; see `Completion.confidence`."""
    reward: float | None = None
    """0 or 1 for a checked answer."""
    verdict: str | None = None
    """The verifier's reason."""

    @property
    def is_answer(self) -> bool:
        """Whether it states the final answer."""
        return self.thought.kind is ThoughtKind.ANSWER


def path_to(node: Node) -> list[ThoughtNode]:
    """The thoughts from the prompt to `node`, in reading order; empty for the prompt."""
    path: list[ThoughtNode] = []
    here: Node | None = node
    while isinstance(here, ThoughtNode):
        path.append(here)
        here = here.parent
    path.reverse()
    return path


def chain_text(node: Node) -> str:
    """The rendered blocks from the prompt to `node`."""
    return "".join(step.thought.render() for step in path_to(node))


def ucb(value: float, visits: int, parent_visits: int, exploration: float) -> float:
    """The selection score v/n + C·sqrt(ln N_parent / n) (paper §3.1); n and N_parent ≥ 1, C = `exploration`."""
    return value / visits + exploration * math.sqrt(math.log(parent_visits) / visits)


class Tree:
    """A growing tree. Children of one node differ in kind or text, so every path has a text of its own."""

    def __init__(self, tree_id: str) -> None:
        self.tree_id = tree_id
        self.root = Node()
        self.nodes: list[ThoughtNode] = []
        """All thoughts in the order they were attached; a parent comes before its children."""

    def node_id(self, parent: Node, thought: Thought, role: Role) -> str:
        """The content id of a child of `parent`."""
        return content_id("node", self.tree_id, parent.node_id, thought.kind, role, thought.text)

    def attach(self, parent: Node, children: Iterable[ThoughtNode]) -> None:
        """Hang `children` below `parent`, which is expanded by that; an open child opens its ancestors again."""
        parent.expanded = True
        for child in children:
            parent.children.append(child)
            self.nodes.append(child)
        self._settle(parent)

    def select(self, exploration: float, rng: random.Random) -> Node:
        """The open, unexpanded node that UCB leads to from the prompt; the prompt must be open.

        A child without visits comes before all others; among several, `rng` draws, so that the first visits are not
        breadth-first in the order of the pattern. Equal scores go to the child that was written first.
        """
        node = self.root
        while node.expanded:
            open_children = [child for child in node.children if not child.closed]
            unvisited = [child for child in open_children if child.visits == 0]
            if unvisited:
                node = rng.choice(unvisited)
            else:
                visits = node.visits
                node = max(open_children, key=lambda child: ucb(child.value, child.visits, visits, exploration))
        return node

    def back_propagate(self, leaf: Node, reward: float) -> None:
        """Add one visit and `reward` to `leaf` and to every node above it, the prompt included."""
        node: Node | None = leaf
        while node is not None:
            node.visits += 1
            node.value += reward
            node = node.parent

    def _settle(self, node: Node | None) -> None:
        """Close or open `node` by its children, and its ancestors as far as that changes them."""
        while node is not None:
            closed = all(child.closed for child in node.children)
            if closed == node.closed:
                return
            node.closed = closed
            node = node.parent
