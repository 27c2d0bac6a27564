"""Which wrong chain is set against which correct one."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag import schemas
from marco_dag.curation import CurationConfig, extract_chains, preference_pairs
from marco_dag.errors import CurationError

ONE = CurationConfig(pairs_per_prompt=1)


def pairs_of(forest, encode, ranks=("shortest",), config=ONE):
    trees, thoughts = forest.frames()
    return preference_pairs(extract_chains(trees, thoughts, encode), thoughts, forest.seeds(), encode, ranks, config)


def test_chosen_follows_the_rank(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    for length in (2, 4, 6):
        forest.path(tree, "x" * length, "7", correct=True)
    forest.path(tree, "y", "8", correct=False)

    pairs = pairs_of(forest, encode, ("longest", "shortest", "medium"))
    assert pairs.select("chosen_rank", "chosen").rows() == [
        ("longest", "<thinking>xxxxxx</thinking><answer>7</answer>"),
        ("shortest", "<thinking>xx</thinking><answer>7</answer>"),
        ("medium", "<thinking>xxxx</thinking><answer>7</answer>"),
    ]
    assert set(pairs["rejected"]) == {"<thinking>y</thinking><answer>8</answer>"}
    assert set(pairs["prompt"]) == {"question of seed-1"}


def test_rejected_has_the_shortest_common_prefix_then_is_shorter_then_comes_first_by_id(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    forest.path(tree, "abcd", "7", correct=True)
    forest.path(tree, "abxx", "8", correct=False)
    forest.path(tree, "zzzz", "8", correct=False)
    forest.path(tree, "yy", "8", correct=False)
    forest.path(tree, "ww", "8", correct=False)
    by_text = dict(extract_chains(*forest.frames(), encode).select("text", "chain_id").iter_rows())
    as_chains = {text: f"<thinking>{text}</thinking><answer>8</answer>" for text in ("abxx", "zzzz", "yy", "ww")}
    tied = sorted([as_chains["yy"], as_chains["ww"]], key=lambda text: by_text[text])

    pairs = pairs_of(forest, encode, config=CurationConfig(pairs_per_prompt=4))
    assert pairs["rejected"].to_list() == [*tied, as_chains["zzzz"], as_chains["abxx"]]
    opening = len("<thinking>")
    assert pairs["common_prefix_tokens"].to_list() == [opening, opening, opening, opening + 2]


def test_the_prefix_is_counted_in_tokens_not_characters(forest):
    tree = forest.tree("tree-1", "seed-1")
    forest.path(tree, "abcdef", "7", correct=True)
    forest.path(tree, "abcdeX", "8", correct=False)
    forest.path(tree, "aXcdef", "8", correct=False)
    vocabulary = {"<thinking>abcdeX</thinking><answer>8</answer>": [5, 6]}

    def encode(texts):
        return [vocabulary.get(text, [1] * (3 if "X" not in text else 2)) for text in texts]

    pairs = pairs_of(forest, encode)
    assert pairs["rejected"].to_list() == ["<thinking>abcdeX</thinking><answer>8</answer>"]
    assert pairs["common_prefix_tokens"].to_list() == [0]


def test_another_trees_wrong_chain_is_not_rejected(forest, encode):
    forest.path(forest.tree("tree-1", "seed-1"), "abc", "7", correct=True)
    forest.path(forest.tree("tree-2", "seed-1"), "xyz", "8", correct=False)
    assert pairs_of(forest, encode).is_empty()


def test_texts_that_the_student_cannot_tell_apart_are_no_pair(forest):
    tree = forest.tree("tree-1", "seed-1")
    forest.path(tree, "a", "7", correct=True)
    forest.path(tree, "b", "8", correct=False)

    def all_unknown(texts):
        return [[0, 0] for _ in texts]

    assert pairs_of(forest, all_unknown).is_empty()


def test_long_chains_stay_out_on_both_sides(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    forest.path(tree, "a", "7", correct=True)
    forest.path(tree, "b" * 90, "7", correct=True)
    forest.path(tree, "c", "8", correct=False)
    forest.path(tree, "d" * 90, "8", correct=False)

    config = CurationConfig(pairs_per_prompt=5, max_chain_tokens=60)
    (pair,) = pairs_of(forest, encode, ("longest",), config).iter_rows(named=True)
    assert pair["chosen"].startswith("<thinking>a<")
    assert pair["rejected"].startswith("<thinking>c<")


def test_one_pair_for_two_ranks_keeps_its_id(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    forest.path(tree, "a", "7", correct=True)
    forest.path(tree, "b", "8", correct=False)

    pairs = pairs_of(forest, encode, ("longest", "shortest"))
    assert pairs["chosen_rank"].to_list() == ["longest", "shortest"]
    assert pairs["pair_id"].n_unique() == 1


def test_an_unknown_prompt_is_named(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    forest.path(tree, "a", "7", correct=True)
    forest.path(tree, "b", "8", correct=False)
    trees, thoughts = forest.frames()
    chains = extract_chains(trees, thoughts, encode)
    with pytest.raises(CurationError, match="seed-1"):
        preference_pairs(chains, thoughts, pl.DataFrame(), encode, ["shortest"], ONE)


def test_a_tree_without_thoughts_is_named(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    forest.path(tree, "a", "7", correct=True)
    forest.path(tree, "b", "8", correct=False)
    trees, thoughts = forest.frames()
    chains = extract_chains(trees, thoughts, encode)
    with pytest.raises(CurationError, match="tree-1 has chains and no thoughts"):
        preference_pairs(chains, thoughts.clear(), forest.seeds(), encode, ["shortest"], ONE)


def test_nothing_in_nothing_out(encode):
    empty = preference_pairs(pl.DataFrame(), pl.DataFrame(), pl.DataFrame(), encode, ["shortest"], ONE)
    assert empty.is_empty()
    assert empty.schema == schemas.PREFERENCE_PAIRS


PATHS = st.lists(st.tuples(st.text("ab", min_size=1, max_size=6), st.booleans()), max_size=10, unique_by=lambda p: p[0])


@given(trees=st.lists(PATHS, min_size=1, max_size=3), most=st.integers(1, 4))
def test_pairs_hold_what_the_paper_asks_for(new_forest, encode, trees, most):
    forest = new_forest()
    for number, paths in enumerate(trees):
        tree = forest.tree(f"tree-{number}", f"seed-{number}")
        for text, correct in paths:
            forest.path(tree, text, "7" if correct else "8", correct=correct)
    frames = forest.frames()
    chains = extract_chains(*frames, encode)
    pairs = preference_pairs(
        chains, frames[1], forest.seeds(), encode, ["shortest", "longest"], CurationConfig(pairs_per_prompt=most)
    )
    rows = {row["chain_id"]: row for row in chains.iter_rows(named=True)}

    for number, paths in enumerate(trees):
        right = [text for text, correct in paths if correct]
        wrong = [text for text, correct in paths if not correct]
        mine = pairs.filter(seed_id=f"seed-{number}")
        for rank in ("shortest", "longest"):
            assert mine.filter(chosen_rank=rank).height == (min(most, len(wrong)) if right else 0)
    for pair in pairs.iter_rows(named=True):
        chosen, rejected = rows[pair["chosen_chain_id"]], rows[pair["rejected_chain_id"]]
        assert chosen["correct"]
        assert not rejected["correct"]
        assert chosen["tree_id"] == rejected["tree_id"]
        assert pair["chosen"] != pair["rejected"]
        common = pair["common_prefix_tokens"]
        assert pair["chosen"][:common] == pair["rejected"][:common]
        assert pair["chosen"][common : common + 1] != pair["rejected"][common : common + 1]
        siblings = chains.filter(pl.col("correct") & (pl.col("seed_id") == pair["seed_id"]))["tokens"]
        assert pair["chosen_tokens"] == (siblings.min() if pair["chosen_rank"] == "shortest" else siblings.max())
