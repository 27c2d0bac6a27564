import math
import random
from collections.abc import Callable

import pytest

from marco_dag.search import SearchConfig
from marco_dag.search.selection import Selection, ucb
from marco_dag.search.tree import ThoughtNode, Tree, upwards
from marco_dag.thoughts import ThoughtKind

Hang = Callable[..., list[ThoughtNode]]


def selection(seed: int = 0, **settings: object) -> Selection:
    return Selection(SearchConfig.model_validate(settings), random.Random(seed))


def stand_on(node: ThoughtNode) -> None:
    for here in upwards(node):
        here.under_way += 1


def test_ucb_by_hand() -> None:
    # v/n + C·sqrt(ln N / n) = 3/4 + 1.2·sqrt(ln 10 / 4)
    assert ucb(3, 4, 10, 1.2) == pytest.approx(0.75 + 1.2 * math.sqrt(2.302585092994046 / 4))
    assert ucb(0, 1, 1, 1.4) == 0  # ln 1 = 0: a parent seen once has nothing to explore yet
    assert ucb(0.5, 1, 0, 1.4) == 0.5  # nor has one that was never seen
    assert ucb(1, 2, 8, 0) == 0.5  # C = 0 is greedy


def test_selection_prefers_value_when_greedy_and_rarity_when_curious(hang: Hang) -> None:
    tree = Tree("t")
    good, rare = hang(tree, tree.root, "good", "rare")
    for reward in (1, 1, 1, 0):
        tree.back_propagate(good, reward)
    tree.back_propagate(rare, 0)
    assert selection(exploration=0.0).choose(tree.root) is good
    # 0.75 + 2·sqrt(ln 5/4) = 2.02 < 0 + 2·sqrt(ln 5/1) = 2.54
    assert selection(exploration=2.0).choose(tree.root) is rare


@pytest.mark.parametrize(("first_play", "goes_on"), [(0.5, True), (0.9, False), (10.0, False)])
def test_a_thought_without_visits_counts_as_one_visit_of_the_first_plays_value(
    hang: Hang, first_play: float, goes_on: bool
) -> None:
    tree = Tree("t")
    seen, unseen = hang(tree, tree.root, "seen", "unseen")
    for reward in (1, 1, 1, 0):
        tree.back_propagate(seen, reward)
    # greedy: 3/4 against first_play/1
    chosen = selection(exploration=0.0, first_play=first_play).choose(tree.root)
    assert chosen is (seen if goes_on else unseen)


def test_first_visits_are_drawn_among_equals(hang: Hang) -> None:
    tree = Tree("t")
    seen, *unseen = hang(tree, tree.root, "seen", "x", "y", "z")
    tree.back_propagate(seen, 0.0)
    chosen = {selection(seed).choose(tree.root) for seed in range(50)}
    assert chosen == set(unseen)


def test_of_equal_scores_of_visited_thoughts_the_first_written_wins(hang: Hang) -> None:
    tree = Tree("t")
    first, second = hang(tree, tree.root, "first", "second")
    tree.back_propagate(second, 1.0)
    tree.back_propagate(first, 1.0)
    assert {selection(seed).choose(tree.root) for seed in range(20)} == {first}


def test_a_prior_counts_as_so_many_visits_of_that_confidence(hang: Hang) -> None:
    tree = Tree("t")
    (sure,) = hang(tree, tree.root, "sure", confidence=0.9)
    (unsure,) = hang(tree, tree.root, "unsure", confidence=0.1)
    tree.back_propagate(sure, 0.0)
    tree.back_propagate(unsure, 1.0)
    # greedy: (0 + 9·0.9)/10 = 0.81 against (1 + 9·0.1)/10 = 0.19; at weight 1: 0.45 against 0.55
    assert selection(exploration=0.0, prior_weight=9.0).choose(tree.root) is sure
    assert selection(exploration=0.0, prior_weight=1.0).choose(tree.root) is unsure
    assert selection(exploration=0.0).choose(tree.root) is unsure


def test_an_unknown_confidence_is_no_prior(hang: Hang) -> None:
    tree = Tree("t")
    (known,) = hang(tree, tree.root, "known", confidence=0.4)
    (unknown,) = hang(tree, tree.root, "unknown")
    # (0.5 + 1·0.4)/2 = 0.45 against 0.5/1
    assert selection(exploration=0.0, prior_weight=1.0).choose(tree.root) is unknown
    assert known.visits == 0


def test_a_rollout_under_way_counts_as_visits_of_value_0(hang: Hang) -> None:
    tree = Tree("t")
    good, other = hang(tree, tree.root, "good", "other")
    (below_good,), (below_other,) = hang(tree, good, "a", "b")[:1], hang(tree, other, "c")
    for reward in (1, 1):
        tree.back_propagate(good, reward)
    for reward in (1, 0):
        tree.back_propagate(other, reward)
    stand_on(below_good)
    # greedy: 2/2 against 1/2; with one visit lost 2/3 against 1/2, with three 2/5 against 1/2
    assert selection(exploration=0.0, virtual_loss=1.0).choose(tree.root) is good.children[1]
    assert selection(exploration=0.0, virtual_loss=3.0).choose(tree.root) is below_other


def test_what_another_rollout_expands_is_passed_over_and_where_nothing_else_is_left_there_is_none(hang: Hang) -> None:
    tree = Tree("t")
    left, right = hang(tree, tree.root, "left", "right")
    (below,) = hang(tree, left, "below")
    stand_on(below)
    assert {selection(seed).choose(tree.root) for seed in range(20)} == {right}
    stand_on(right)
    assert selection().choose(tree.root) is None


def test_selection_goes_down_to_a_node_that_is_not_expanded_and_skips_what_is_closed(hang: Hang) -> None:
    tree = Tree("t")
    top, other = hang(tree, tree.root, "top", "other")
    hang(tree, other, "2", kind=ThoughtKind.ANSWER)
    (below,) = hang(tree, top, "below")
    assert other.closed
    assert {selection(seed).choose(tree.root) for seed in range(20)} == {below}
    assert selection().choose(below) is below
