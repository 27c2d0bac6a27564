"""Every path is found again, every prefix is there once, and the order is what the attention mask relies on."""

from hypothesis import given
from hypothesis import strategies as st

from marco_dag.training.packing.trie import NO_NODE, build_trie

# Few tokens, so that prefixes are shared often; paths may repeat, or begin one another.
forests = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=12), min_size=1, max_size=12)


def prefixes(paths):
    return {tuple(path[: length + 1]) for path in paths for length in range(len(path))}


def ancestors(trie, node):
    """The node and those before it, last first, by their parents alone."""
    while node != NO_NODE:
        yield node
        node = trie.parents[node]


def test_a_tree_by_hand():
    trie = build_trie([[7, 8, 9], [7, 8], [5, 6], [7, 4, 9]])
    assert trie.tokens.tolist() == [5, 6, 7, 4, 9, 8, 9]
    assert trie.depths.tolist() == [0, 1, 0, 1, 2, 1, 2]
    assert trie.parents.tolist() == [-1, 0, -1, 2, 3, 2, 5]
    assert trie.ends.tolist() == [1, 1, 6, 4, 4, 6, 6]
    assert trie.nodes.tolist() == [[2, 5, 6], [2, 5, -1], [0, 1, -1], [2, 3, 4]]


@given(forests)
def test_every_path_is_found_again(paths):
    trie = build_trie(paths)
    for path, nodes in zip(paths, trie.nodes, strict=True):
        assert trie.tokens[nodes[: len(path)]].tolist() == path
        assert trie.depths[nodes[: len(path)]].tolist() == list(range(len(path)))
        assert trie.parents[nodes[: len(path)]].tolist() == [NO_NODE, *nodes[: len(path) - 1]]
        assert (nodes[len(path) :] == NO_NODE).all()


@given(forests)
def test_every_prefix_is_there_once(paths):
    trie = build_trie(paths)
    spelled = [tuple(trie.tokens[list(ancestors(trie, node))[::-1]].tolist()) for node in range(len(trie))]
    assert len(spelled) == len(set(spelled))
    assert set(spelled) == prefixes(paths)


@given(forests)
def test_preorder_and_subtree_ends_say_who_descends_from_whom(paths):
    trie = build_trie(paths)
    assert (trie.parents < range(len(trie))).all()
    for node in range(len(trie)):
        between = [other for other in range(node + 1) if node <= trie.ends[other]]
        assert between == list(ancestors(trie, node))[::-1]


@given(forests, st.randoms(use_true_random=False))
def test_the_order_of_the_paths_does_not_matter(paths, random):
    order = random.sample(range(len(paths)), len(paths))
    trie, shuffled = build_trie(paths), build_trie([paths[index] for index in order])
    assert shuffled.tokens.tolist() == trie.tokens.tolist()
    assert shuffled.ends.tolist() == trie.ends.tolist()
    assert shuffled.nodes.tolist() == trie.nodes[order].tolist()
