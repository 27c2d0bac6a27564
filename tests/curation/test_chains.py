"""What a chain is, and how its length ranks among its siblings."""

import polars as pl
import pytest

from marco_dag import schemas
from marco_dag.curation import extract_chains
from marco_dag.errors import CurationError
from marco_dag.thoughts import ThoughtKind


def test_a_chain_is_the_tagged_blocks_from_the_root_to_a_checked_answer(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    first = forest.think(tree, None, ThoughtKind.SUB_TASK, "split")
    second = forest.think(tree, first, ThoughtKind.THINKING, "add")
    leaf = forest.answer(tree, second, "7", correct=True)

    (chain,) = extract_chains(*forest.frames(), encode).iter_rows(named=True)

    text = "<sub-task>split</sub-task><thinking>add</thinking><answer>7</answer>"
    assert chain["text"] == text
    assert chain["tokens"] == len(text)
    assert chain["correct"] is True
    assert chain["truncated"] is False
    assert (chain["leaf_id"], chain["tree_id"], chain["seed_id"]) == (leaf, "tree-1", "seed-1")
    assert chain["reflections"] == 0
    assert chain["batch"] == "generated"


def test_reflections_count_reflection_and_reclarify_and_nothing_else(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    parent = None
    for kind in (
        ThoughtKind.THINKING,
        ThoughtKind.REFLECTION,
        ThoughtKind.THINKING_FROM_SCRATCH,
        ThoughtKind.RECLARIFY,
        ThoughtKind.DOUBLE_CHECK,
    ):
        parent = forest.think(tree, parent, kind, "x")
    forest.answer(tree, parent, "7", correct=True)

    assert extract_chains(*forest.frames(), encode)["reflections"].to_list() == [2]


def test_a_defect_anywhere_on_the_path_keeps_the_whole_chain_out(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    cut = forest.think(tree, None, ThoughtKind.THINKING, "never en", defect="truncated", finish_reason="length")
    forest.answer(tree, cut, "7", correct=True)
    whole = forest.think(tree, None, ThoughtKind.THINKING, "ends")
    forest.answer(tree, whole, "8", correct=False, defect="malformed: tag inside")
    forest.answer(tree, whole, "9", correct=False)

    assert extract_chains(*forest.frames(), encode)["text"].to_list() == ["<thinking>ends</thinking><answer>9</answer>"]


def test_unchecked_answers_and_open_ends_are_no_chains(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    forest.think(tree, None, ThoughtKind.THINKING, "open end")
    forest.answer(tree, None, "7", correct=None)

    chains = extract_chains(*forest.frames(), encode)
    assert chains.is_empty()
    assert chains.schema == schemas.CHAINS


def test_one_text_of_one_prompt_is_one_chain_but_two_prompts_keep_their_own(forest, encode):
    for tree_id, seed_id in (("tree-b", "seed-1"), ("tree-a", "seed-1"), ("tree-c", "seed-2")):
        forest.path(forest.tree(tree_id, seed_id), "same", "7", correct=True)

    chains = extract_chains(*forest.frames(), encode)
    assert chains.select("seed_id", "tree_id").rows() == [("seed-1", "tree-a"), ("seed-2", "tree-c")]
    assert chains["chain_id"].n_unique() == 2


@pytest.mark.parametrize(
    ("lengths", "ranks"),
    [
        ([3], ["shortest"]),
        ([3, 5], ["shortest", "longest"]),
        ([3, 5, 9], ["shortest", "medium", "longest"]),
        ([3, 5, 7, 9], ["shortest", "medium", "medium", "longest"]),
    ],
)
def test_ranks_are_relative_to_the_prompts_own_correct_chains(forest, encode, lengths, ranks):
    tree = forest.tree("tree-1", "seed-1")
    for length in lengths:
        forest.path(tree, "x" * length, "7", correct=True)
    forest.path(tree, "y", "8", correct=False)
    forest.path(forest.tree("tree-2", "seed-2"), "z" * 50, "7", correct=True)

    chains = extract_chains(*forest.frames(), encode)
    mine = chains.filter(seed_id="seed-1")
    assert mine.filter("correct").sort("tokens")["length_rank"].to_list() == ranks
    assert mine.filter(~pl.col("correct"))["length_rank"].to_list() == [None]
    assert chains.filter(seed_id="seed-2")["length_rank"].to_list() == ["shortest"]


def test_equal_lengths_are_ranked_by_id_so_that_one_is_shortest_and_one_longest(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    for text in ("abc", "def", "ghi"):
        forest.path(tree, text, "7", correct=True)

    ranked = extract_chains(*forest.frames(), encode).sort("chain_id")
    assert ranked["length_rank"].to_list() == ["shortest", "medium", "longest"]


def test_the_order_of_the_rows_does_not_matter(forest, encode):
    for number in range(3):
        tree = forest.tree(f"tree-{number}", f"seed-{number % 2}")
        for length in (3, 5, 8):
            forest.path(tree, "abcdefgh"[:length] + str(number), "7", correct=length != 5)
    trees, thoughts = forest.frames()

    shuffled = extract_chains(trees.reverse(), thoughts.sample(fraction=1, shuffle=True, seed=1), encode)
    assert extract_chains(trees, thoughts, encode).equals(shuffled)


def test_the_student_is_asked_once(forest):
    tree = forest.tree("tree-1", "seed-1")
    for text in ("a", "bc", "def"):
        forest.path(tree, text, "7", correct=True)
    calls = []

    def encode(texts):
        calls.append(len(texts))
        return [[0] * len(text) for text in texts]

    extract_chains(*forest.frames(), encode)
    assert calls == [3]


def test_a_missing_parent_is_named(forest, encode):
    forest.answer(forest.tree("tree-1", "seed-1"), "node-gone", "7", correct=True)
    with pytest.raises(CurationError, match=r"tree-1.*node-gone.*search this tree again"):
        extract_chains(*forest.frames(), encode)


def test_a_circle_is_an_error_not_an_endless_loop(forest, encode):
    tree = forest.tree("tree-1", "seed-1")
    one = forest.think(tree, "tree-1/001", ThoughtKind.THINKING, "a")
    two = forest.think(tree, one, ThoughtKind.THINKING, "b")
    forest.answer(tree, two, "7", correct=True)
    with pytest.raises(CurationError, match="circle"):
        extract_chains(*forest.frames(), encode)


def test_nothing_in_nothing_out(encode):
    chains = extract_chains(pl.DataFrame(), pl.DataFrame(), encode)
    assert chains.is_empty()
    assert chains.schema == schemas.CHAINS
