from collections.abc import Callable

from marco_dag.search.tree import Node, ThoughtNode, Tree, chain_text, path_to
from marco_dag.thoughts import Thought, ThoughtKind

Hang = Callable[..., list[ThoughtNode]]


def test_back_propagation_reaches_the_prompt_and_no_sibling(hang: Hang) -> None:
    tree = Tree("t")
    left, right = hang(tree, tree.root, "left", "right")
    (answer,) = hang(tree, left, "3", kind=ThoughtKind.ANSWER)
    tree.back_propagate(answer, 1.0)
    tree.back_propagate(right, 0.0)
    assert [(node.visits, node.value) for node in (tree.root, left, right, answer)] == [(2, 1), (1, 1), (1, 0), (1, 1)]


def test_a_tree_closes_from_below_and_opens_again_for_a_forced_thought(hang: Hang) -> None:
    tree = Tree("t")
    left, right = hang(tree, tree.root, "left", "right")
    hang(tree, left, "1", "2", kind=ThoughtKind.ANSWER)
    assert left.closed
    assert not tree.root.closed
    hang(tree, right, "3", kind=ThoughtKind.ANSWER)
    assert tree.root.closed
    (forced,) = hang(tree, right, "wait", kind=ThoughtKind.REFLECTION)
    assert not right.closed
    assert not tree.root.closed
    assert left.closed
    hang(tree, forced, "4", kind=ThoughtKind.ANSWER)
    assert tree.root.closed


def test_a_solved_thought_is_closed_for_its_siblings_sake(hang: Hang) -> None:
    tree = Tree("t", solved_subtree=2)
    left, right = hang(tree, tree.root, "left", "right")
    first, second, _ = hang(tree, left, "3", "three", "open")
    tree.back_propagate(first, 1.0)
    assert not left.closed
    tree.back_propagate(second, 1.0)
    assert left.closed
    assert not right.closed
    assert not tree.root.closed


def test_the_prompt_is_not_closed_by_what_is_solved_below_it(hang: Hang) -> None:
    tree = Tree("t", solved_subtree=1)
    (only,) = hang(tree, tree.root, "only")
    left, _ = hang(tree, only, "left", "right")
    (answer,) = hang(tree, left, "3", kind=ThoughtKind.ANSWER)
    tree.back_propagate(answer, 1.0)
    assert left.closed
    assert not only.closed  # the one way there is
    assert not tree.root.closed


def test_a_solved_thought_stays_closed_whatever_is_hung_below_it(hang: Hang) -> None:
    tree = Tree("t", solved_subtree=1)
    left, _ = hang(tree, tree.root, "left", "right")
    (answer,) = hang(tree, left, "3", kind=ThoughtKind.ANSWER)
    tree.back_propagate(answer, 1.0)
    hang(tree, left, "wait", kind=ThoughtKind.REFLECTION)
    assert left.closed


def test_a_forced_thought_beside_a_solved_one_is_another_to_look_into(hang: Hang) -> None:
    tree = Tree("t", solved_subtree=1)
    (only,) = hang(tree, tree.root, "only")
    (answer, _) = hang(tree, only, "3", "open")
    tree.back_propagate(answer, 1.0)
    assert not only.closed
    (forced,) = hang(tree, tree.root, "wait", kind=ThoughtKind.REFLECTION)
    assert only.closed
    assert not forced.closed


def test_a_path_reads_from_the_prompt_down(hang: Hang) -> None:
    tree = Tree("t")
    (top,) = hang(tree, tree.root, "plan", kind=ThoughtKind.SUB_TASK)
    (leaf,) = hang(tree, top, "3", kind=ThoughtKind.ANSWER)
    assert path_to(tree.root) == []
    assert path_to(leaf) == [top, leaf]
    assert chain_text(leaf) == "<sub-task>plan</sub-task><answer>3</answer>"


def test_a_node_id_depends_on_tree_parent_kind_role_and_text() -> None:
    tree = Tree("t")
    thinking = Thought(ThoughtKind.THINKING, "x")
    parent = Node(node_id="node-1")
    ids = {
        tree.node_id(tree.root, thinking, "generator"),
        Tree("u").node_id(tree.root, thinking, "generator"),
        tree.node_id(parent, thinking, "generator"),
        tree.node_id(tree.root, Thought(ThoughtKind.HYPOTHESIS, "x"), "generator"),
        tree.node_id(tree.root, thinking, "critic"),
        tree.node_id(tree.root, Thought(ThoughtKind.THINKING, "y"), "generator"),
    }
    assert len(ids) == 6
    assert tree.node_id(tree.root, thinking, "generator") in ids
