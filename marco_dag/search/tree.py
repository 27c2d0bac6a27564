"""The search tree: its nodes, back-propagation and closing (paper §3.1).

It knows no engine, no task and no pattern: what a node's children are is `marco_dag.search.expansion`'s business, which
one is grown next `marco_dag.search.selection`'s, and in which order things happen `marco_dag.search.strategies`'.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean

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
    """Sum of the rewards of those leaves, in [0, visits]: the correct answers below, where answers are checked."""
    under_way: int = 0
    """Rollouts that stand on it or below it; one that stands on a node without children is expanding it."""


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
    """0 or 1 for a checked answer; in [0, 1] for one that the search has scored itself."""
    verdict: str | None = None
    """The verifier's reason."""

    @property
    def is_answer(self) -> bool:
        """Whether it states the final answer."""
        return self.thought.kind is ThoughtKind.ANSWER


def upwards(node: Node | None) -> Iterator[Node]:
    """`node` and all above it, the prompt last."""
    while node is not None:
        yield node
        node = node.parent


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


def chain_confidence(thought: ThoughtNode) -> float:
    """Mean confidence of the thoughts from the prompt to this one that it is known of, in [0, 1]; 0 where of none."""
    known = [step.confidence for step in path_to(thought) if step.confidence is not None]
    return fmean(known) if known else 0.0


class Tree:
    """A growing tree. Children of one node differ in kind or text, so every path has a text of its own."""

    def __init__(self, tree_id: str, solved_subtree: int | None = None) -> None:
        """A thought with `solved_subtree` correct answers below it is closed where it has siblings to look into."""
        self.tree_id = tree_id
        self.root = Node()
        self.nodes: list[ThoughtNode] = []
        """All thoughts in the order they were attached; a parent comes before its children."""
        self._solved_subtree = solved_subtree

    def node_id(self, parent: Node, thought: Thought, role: Role) -> str:
        """The content id of a child of `parent`."""
        return content_id("node", self.tree_id, parent.node_id, thought.kind, role, thought.text)

    def attach(self, parent: Node, children: Iterable[ThoughtNode]) -> None:
        """Hang `children` below `parent`, which is expanded by that; an open child opens its ancestors again."""
        parent.expanded = True
        for child in children:
            parent.children.append(child)
            self.nodes.append(child)
        for sibling in parent.children:
            sibling.closed = sibling.closed or self._is_solved(sibling)
        self._settle(parent)

    def back_propagate(self, leaf: Node, reward: float) -> None:
        """Add one visit and `reward` to `leaf` and to every node above it, the prompt included."""
        for node in upwards(leaf):
            node.visits += 1
            node.value += reward
        if reward and self._solved_subtree is not None:
            for node in upwards(leaf.parent):
                node.closed = self._is_closed(node)

    def revalue(self, answer: ThoughtNode, reward: float) -> None:
        """Give an answer that was back-propagated another reward, all the way up to the prompt; no visit is added."""
        change = reward - (answer.reward or 0.0)
        answer.reward = reward
        if change:
            for node in upwards(answer):
                node.value += change

    def _settle(self, node: Node) -> None:
        """Close or open `node` by its children, and its ancestors as far as that changes them."""
        for here in upwards(node):
            closed = self._is_closed(here)
            if closed == here.closed:
                return
            here.closed = closed

    def _is_closed(self, parent: Node) -> bool:
        return all(child.closed for child in parent.children) or self._is_solved(parent)

    def _is_solved(self, node: Node) -> bool:
        """Whether others shall be looked into instead; an only child stands for its parent, the prompt for all."""
        if self._solved_subtree is None or node.value < self._solved_subtree or node.parent is None:
            return False
        return len(node.parent.children) > 1
