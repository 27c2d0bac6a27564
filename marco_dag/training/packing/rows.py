"""Which paths share a row of the packed forward.

A trie that is too large for a row is cut where its parts share least, and each part repeats the stem above the cut;
small tries are put together. A path is never cut: one that is longer than a row has a row to itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from marco_dag.training.packing.trie import Ints, shared_prefixes, sorted_matrix

_WIDENING = 1.3
"""From one width that is tried to the next."""


def split_into_rows(paths: Sequence[list[int]], row_tokens: int, attention_tokens: float) -> list[list[int]]:
    """`paths`, token ids each, none empty, as rows of at most `row_tokens` nodes: lists of indices, each index once.

    Rows are padded to the widest, and a node's attention costs in proportion to that width, so that narrow rows are
    often cheaper than few. Of several widths up to `row_tokens`, ≥ 1, the one is taken for which
    rows · width · (1 + width / `attention_tokens`) is least; `attention_tokens`, > 0, is the width at which attention
    costs as much as everything else does.
    """
    if not paths:
        return []
    order, tokens, lengths = sorted_matrix(paths)
    shared = shared_prefixes(tokens, lengths)
    widths = _widths(int(lengths.max()), int((lengths - shared).sum()), row_tokens)
    layouts = [_fill(_pieces(lengths, shared, width), width) for width in widths]
    best = min(layouts, key=lambda rows: _cost(rows, attention_tokens))
    return [[order[index] for piece in row for index in range(piece.start, piece.stop)] for row in best]


@dataclass(frozen=True, slots=True)
class _Piece:
    """The paths `start` to `stop`, in sorted order, and the nodes of their trie."""

    start: int
    stop: int
    nodes: int


def _widths(longest: int, all_nodes: int, row_tokens: int) -> Iterator[int]:
    """From the longest path's length, which no row can undercut, up to what holds everything or is allowed."""
    widest = max(longest, min(all_nodes, row_tokens))
    width = longest
    while width < widest:
        yield width
        width = int(width * _WIDENING) + 1
    yield widest


def _pieces(lengths: Ints, shared: Ints, width: int) -> list[_Piece]:
    """All paths as the largest subtrees of at most `width` nodes, and single paths where even one has more."""
    added = np.concatenate([[0], np.cumsum(lengths - shared)])
    pieces, rest = [], [(0, len(lengths))]
    while rest:
        start, stop = rest.pop()
        nodes = int(added[stop] - added[start] + shared[start])
        if nodes <= width or stop - start == 1:
            pieces.append(_Piece(start, stop, nodes))
            continue
        within = shared[start + 1 : stop]
        cuts = (np.flatnonzero(within == within.min()) + start + 1).tolist()
        rest += zip([start, *cuts], [*cuts, stop], strict=True)
    return pieces


def _fill(pieces: Sequence[_Piece], width: int) -> list[list[_Piece]]:
    """Rows of `pieces`: the largest first, each into the first row that has room for it."""
    rows: list[list[_Piece]] = []
    rooms: list[int] = []
    for piece in sorted(pieces, key=lambda piece: (-piece.nodes, piece.start)):
        row = next((row for row, room in enumerate(rooms) if room >= piece.nodes), len(rows))
        if row == len(rows):
            rows.append([])
            rooms.append(width)
        rows[row].append(piece)
        rooms[row] -= piece.nodes
    return rows


def _cost(rows: Sequence[Sequence[_Piece]], attention_tokens: float) -> float:
    width = max(sum(piece.nodes for piece in row) for row in rows)
    return len(rows) * width * (1 + width / attention_tokens)
