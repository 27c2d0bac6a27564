import math
import random

import pytest

from marco_dag.search.tree import Node, ThoughtNode, Tree, chain_text, path_to, ucb
from marco_dag.thoughts import Thought, ThoughtKind


def hang(tree: Tree, parent: Node, *texts: str, kind: ThoughtKind = ThoughtKind.THINKING) -> list[ThoughtNode]:
    children = []
    for text in texts:
        thought = Thought(kind, text)
        children.append(
            ThoughtNode(
                node_id=tree.node_id(parent, thought, "generator"),
                parent=parent,
                depth=parent.depth + 1,
                closed=kind is ThoughtKind.ANSWER,
                thought=thought,
                role="generator",
                model_digest="m",
                sampling_seed=0,
                sample=0,
                tokens=1,
                finish_reason="stop",
            )
        )
    tree.attach(parent, children)
    return children


def test_ucb_by_hand() -> None:
    # v/n + C·sqrt(ln N / n) = 3/4 + 1.2·sqrt(ln 10 / 4)
    assert ucb(3, 4, 10, 1.2) == pytest.approx(0.75 + 1.2 * math.sqrt(2.302585092994046 / 4))
    assert ucb(0, 1, 1, 1.4) == 0  # ln 1 = 0: a parent seen once has nothing to explore yet
    assert ucb(1, 2, 8, 0) == 0.5  # C = 0 is greedy


def test_back_propagation_reaches_the_prompt_and_no_sibling() -> None:
    tree = Tree("t")
    left, right = hang(tree, tree.root, "left", "right")
    (answer,) = hang(tree, left, "3", kind=ThoughtKind.ANSWER)
    tree.back_propagate(answer, 1.0)
    tree.back_propagate(right, 0.0)
    assert [(node.visits, node.value) for node in (tree.root, left, right, answer)] == [(2, 1), (1, 1), (1, 0), (1, 1)]


def test_selection_prefers_value_when_greedy_and_rarity_when_curious() -> None:
    tree = Tree("t")
    good, rare = hang(tree, tree.root, "good", "rare")
    for reward in (1, 1, 1, 0):
        tree.back_propagate(good, reward)
    tree.back_propagate(rare, 0)
    assert tree.select(0.0, random.Random(0)) is good
    assert tree.select(2.0, random.Random(0)) is rare  # 0.75 + 2·sqrt(ln 5/4) = 2.02 < 0 + 2·sqrt(ln 5/1) = 2.54


def test_children_without_visits_come_first_in_a_drawn_order() -> None:
    first_choices = set()
    for seed in range(50):
        tree = Tree("t")
        seen, *unseen = hang(tree, tree.root, "seen", "x", "y", "z")
        tree.back_propagate(seen, 1.0)
        chosen = tree.select(1.0, random.Random(seed))
        assert chosen in unseen
        first_choices.add(chosen.thought.text)
    assert first_choices == {"x", "y", "z"}


def test_selection_goes_down_to_a_node_that_is_not_expanded_and_skips_what_is_closed() -> None:
    tree = Tree("t")
    top, other = hang(tree, tree.root, "top", "other")
    hang(tree, other, "2", kind=ThoughtKind.ANSWER)
    (below,) = hang(tree, top, "below")
    assert other.closed
    assert {tree.select(1.4, random.Random(seed)) for seed in range(20)} == {below}


def test_a_tree_closes_from_below_and_opens_again_for_a_forced_thought() -> None:
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


def test_a_path_reads_from_the_prompt_down() -> None:
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
