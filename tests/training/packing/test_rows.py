"""Which paths share a row: nothing is lost, no budget is exceeded, and little is computed twice."""

import math

from hypothesis import given
from hypothesis import strategies as st

from marco_dag.training.packing.rows import split_into_rows
from marco_dag.training.packing.trie import build_trie

forests = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=12), min_size=1, max_size=16)
attention = st.sampled_from([1.0, 20.0, math.inf])


def nodes_of(paths, row):
    return len(build_trie([paths[index] for index in row]))


@given(forests, st.integers(1, 40), attention)
def test_splitting_loses_nothing(paths, row_tokens, attention_tokens):
    rows = split_into_rows(paths, row_tokens, attention_tokens)
    assert sorted(index for row in rows for index in row) == list(range(len(paths)))
    assert all(rows)


@given(forests, st.integers(1, 40), attention)
def test_no_row_is_wider_than_allowed_but_for_a_single_longer_path(paths, row_tokens, attention_tokens):
    longest = max(map(len, paths))
    for row in split_into_rows(paths, row_tokens, attention_tokens):
        assert nodes_of(paths, row) <= max(row_tokens, longest)


@given(forests)
def test_without_a_price_on_width_padding_never_costs_more_than_one_row_for_all(paths):
    rows = split_into_rows(paths, 1000, math.inf)
    assert len(rows) * max(nodes_of(paths, row) for row in rows) <= nodes_of(paths, range(len(paths)))


@given(forests, st.integers(1, 40), attention)
def test_rows_never_cost_more_than_padding_every_path(paths, row_tokens, attention_tokens):
    rows = split_into_rows(paths, row_tokens, attention_tokens)
    width = max(nodes_of(paths, row) for row in rows)
    longest = max(map(len, paths))
    padded = len(paths) * longest * (1 + longest / attention_tokens)
    assert len(rows) * width * (1 + width / attention_tokens) <= padded


def test_a_large_tree_is_cut_where_its_parts_share_least():
    stem = list(range(100, 110))
    left, right = [*stem, *range(200, 220)], [*stem, *range(300, 320)]
    paths = [[*left, 1], [*right, 1], [*left, 2], [*right, 2]]
    assert nodes_of(paths, range(4)) == 54
    assert sorted(map(sorted, split_into_rows(paths, 40, math.inf))) == [[0, 2], [1, 3]]


def test_small_trees_share_a_row():
    paths = [[tree, *range(10, 10 + 3 * tree)] for tree in range(1, 7)]
    rows = split_into_rows(paths, 23, math.inf)
    assert sorted(nodes_of(paths, row) for row in rows) == [23, 23, 23]


def test_no_paths_no_rows():
    assert split_into_rows([], 10, 10.0) == []
