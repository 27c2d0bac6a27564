"""One pair for every point of a tree behind which a correct and a wrong chain part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.curation import CurationConfig, extract_chains, preference_pairs
from marco_dag.curation.paths import TreePaths
from marco_dag.errors import CurationError
from marco_dag.thoughts import ThoughtKind

EVERY = CurationConfig(pairing="every-divergence", pairs_per_prompt=20)


def pairs_of(forest, encode, ranks=("shortest",), config=EVERY):
    trees, thoughts = forest.frames()
    return preference_pairs(extract_chains(trees, thoughts, encode), thoughts, forest.seeds(), encode, ranks, config)


def block(*texts: str, answer: str) -> str:
    return "".join(f"<thinking>{text}</thinking>" for text in texts) + f"<answer>{answer}</answer>"


@pytest.fixture
def ladder(forest):
    """prompt ─┬─ a ─┬─ b ─┬─ 7 right       a tree that goes wrong at three points:
    │     │     └─ 8 wrong       behind b, behind a, and at once
    │     └─ 9 wrong
    └─ longwrong ─ 1 wrong
    """
    tree = forest.tree("tree-1", "seed-1")
    a = forest.think(tree, None, ThoughtKind.THINKING, "a")
    b = forest.think(tree, a, ThoughtKind.THINKING, "b")
    forest.answer(tree, b, "7", correct=True)
    forest.answer(tree, b, "8", correct=False)
    forest.answer(tree, a, "9", correct=False)
    forest.path(tree, "longwrong", "1", correct=False)
    return forest


def test_every_point_gives_a_pair_those_that_part_first_before_the_others(ladder, encode):
    pairs = pairs_of(ladder, encode)
    assert set(pairs["chosen"]) == {block("a", "b", answer="7")}
    assert pairs["rejected"].to_list() == [
        block("longwrong", answer="1"),
        block("a", answer="9"),
        block("a", "b", answer="8"),
    ]
    assert pairs["common_prefix_tokens"].is_sorted()


def test_the_cap_keeps_those_that_part_first(ladder, encode):
    two = EVERY.model_copy(update={"pairs_per_prompt": 2})
    assert pairs_of(ladder, encode, config=two).equals(pairs_of(ladder, encode).head(2))


def test_a_point_takes_the_correct_chain_that_the_rank_asks_for_and_the_shortest_wrong_one(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    for text in ("x", "xxxx", "xx"):
        forest.path(tree, text, "7", correct=True)
    for text in ("yyy", "y"):
        forest.path(tree, text, "8", correct=False)

    pairs = pairs_of(forest, encode, ("longest", "shortest"))
    assert pairs.select("chosen_rank", "chosen", "rejected").rows() == [
        ("longest", block("xxxx", answer="7"), block("y", answer="8")),
        ("shortest", block("x", answer="7"), block("y", answer="8")),
    ]


def test_a_point_whose_shortest_correct_chain_shares_its_branch_with_every_wrong_one_takes_the_next(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    mixed = forest.think(tree, None, ThoughtKind.THINKING, "m")
    forest.answer(tree, mixed, "7", correct=True)
    forest.answer(tree, mixed, "8", correct=False)
    forest.path(tree, "longer", "7", correct=True)

    pairs = pairs_of(forest, encode)
    assert pairs.select("chosen", "rejected").rows() == [
        (block("longer", answer="7"), block("m", answer="8")),
        (block("m", answer="7"), block("m", answer="8")),
    ]


def test_branches_that_are_all_right_or_all_wrong_are_no_point(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    right = forest.think(tree, None, ThoughtKind.THINKING, "r")
    wrong = forest.think(tree, None, ThoughtKind.THINKING, "w")
    for answer in ("7", "7.0"):
        forest.answer(tree, right, answer, correct=True)
    for answer in ("8", "9"):
        forest.answer(tree, wrong, answer, correct=False)
    assert pairs_of(forest, encode).height == 1


def test_answers_below_answers_are_damage(forest):
    tree = forest.tree("tree-1", "seed-1")
    first = forest.answer(tree, None, "7", correct=True)
    second = forest.answer(tree, first, "8", correct=False)
    with pytest.raises(CurationError, match="one goes on behind the other"):
        TreePaths(tree, forest.frames()[1]).fork(first, second)


NODES = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["think", "right", "wrong"])), min_size=1, max_size=24)


def grow(forest, nodes):
    """A random tree: each node hangs below one of the thoughts before it, or the prompt."""
    tree = forest.tree("tree-1", "seed-1")
    thoughts = [None]
    for number, (place, what) in enumerate(nodes):
        parent = thoughts[place % len(thoughts)]
        if what == "think":
            thoughts.append(forest.think(tree, parent, ThoughtKind.THINKING, f"t{number}"))
        else:
            forest.answer(tree, parent, f"a{number}", correct=what == "right")


@given(nodes=NODES, rank=st.sampled_from(["shortest", "medium", "longest"]))
def test_exactly_the_points_behind_which_right_and_wrong_part(new_forest, encode, nodes, rank):
    forest = new_forest()
    grow(forest, nodes)
    trees, thoughts = forest.frames()
    chains = extract_chains(trees, thoughts, encode)
    pairs = preference_pairs(chains, thoughts, forest.seeds(), encode, [rank], EVERY)

    parents = {row["node_id"]: row["parent_id"] for row in forest.thoughts}
    below: dict[str | None, dict[str, set[bool]]] = {}
    for row in forest.thoughts:
        child = row["node_id"]
        while row["is_answer"] and child is not None:
            below.setdefault(parents[child], {}).setdefault(child, set()).add(row["reward"] == 1)
            child = parents[child]
    wanted = {
        point
        for point, branches in below.items()
        if any(
            True in branches[one] and False in branches[other] for one in branches for other in branches if one != other
        )
    }

    leaves = dict(chains.select("chain_id", "leaf_id").iter_rows())
    paths = TreePaths("tree-1", thoughts)
    points = [
        paths.fork(leaves[pair["chosen_chain_id"]], leaves[pair["rejected_chain_id"]]).parent_id
        for pair in pairs.iter_rows(named=True)
    ]
    assert len(points) == len(set(points))
    assert set(points) == wanted
    shuffled = preference_pairs(
        chains.sample(fraction=1, shuffle=True, seed=1), thoughts.reverse(), forest.seeds(), encode, [rank], EVERY
    )
    assert pairs.equals(shuffled)
