"""The order of the examples: a function of seed, epoch and the examples alone, whatever trains on them.

transformers' own length grouping draws from the global random state, so a resumed run would go on in another order, and
it feeds the long batches of a small data set first and the short ones last.
"""

import math
import random
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

from torch.utils.data import Sampler

from marco_dag.identity import derive_seed

_GROUPED_BATCHES = 16
"""Batches that are cut from one stretch sorted by length: more save padding, fewer mix better."""


_TREES_A_STEP = 8
"""A step has examples of at least so many trees, where there are as many: of fewer it would compute less, and its
gradient would be the noisier."""


class ExampleOrder(Sampler[int]):
    """Every index of `count` examples once an epoch, in an order of that epoch's own."""

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self._count = count
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is epoch `epoch`, ≥ 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        yield from self._of_epoch(self._epoch)

    def of_step(self, step: int) -> list[int]:
        """The examples of optimizer step `step`, counted from 1 through all epochs."""
        epoch, place = divmod(step - 1, math.ceil(len(self) / self._batch_size))
        return self._of_epoch(epoch)[place * self._batch_size : (place + 1) * self._batch_size]

    def _of_epoch(self, epoch: int) -> list[int]:
        return self._draw(random.Random(derive_seed("example order", self._seed, epoch)))

    @abstractmethod
    def _draw(self, rng: random.Random) -> list[int]:
        """All indices; each `batch_size` of them are one optimizer step."""


class LengthGroupedOrder(ExampleOrder):
    """The examples of one optimizer step are of like length, so that little is padded; the steps in random order.

    `lengths`: tokens of each example. The examples left over from whole steps, a random choice, come last.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        super().__init__(len(lengths), batch_size, seed)
        self._lengths = lengths

    def _draw(self, rng: random.Random) -> list[int]:
        order = list(range(self._count))
        rng.shuffle(order)
        whole = len(order) - len(order) % self._batch_size
        stretch = self._batch_size * _GROUPED_BATCHES
        batches: list[list[int]] = []
        for start in range(0, whole, stretch):
            by_length = sorted(order[start : min(start + stretch, whole)], key=lambda index: self._lengths[index])
            batches += [by_length[at : at + self._batch_size] for at in range(0, len(by_length), self._batch_size)]
        rng.shuffle(batches)
        return [index for batch in batches for index in batch] + order[whole:]


class TreeGroupedOrder(ExampleOrder):
    """Examples of one tree come in one optimizer step, so that what they share can be computed once.

    `trees`: the tree of each example; `paths`: its tokens. The trees come in random order, and a step fills itself with
    the next ones that fit whole; where none does, the next one is cut. A tree of over an eighth of a step is cut
    beforehand, into pieces of neighbouring paths, which share most.
    """

    def __init__(self, trees: Sequence[Hashable], paths: Sequence[list[int]], batch_size: int, seed: int) -> None:
        super().__init__(len(trees), batch_size, seed)
        self._trees = [sorted(tree, key=lambda index: paths[index]) for tree in _members(trees)]

    def _draw(self, rng: random.Random) -> list[int]:
        pieces = self._pieces(rng)
        rng.shuffle(pieces)
        # By size, each with its place in the random order, the next one last: a step looks at one of each size.
        waiting: defaultdict[int, list[tuple[int, list[int]]]] = defaultdict(list)
        for place in reversed(range(len(pieces))):
            waiting[len(pieces[place])].append((place, pieces[place]))
        order: list[int] = []
        while len(order) < self._count:
            room = self._batch_size - len(order) % self._batch_size
            left = [size for size, same in waiting.items() if same]
            size = min([size for size in left if size <= room] or left, key=lambda size: waiting[size][-1][0])
            place, piece = waiting[size].pop()
            order += piece[:room]
            if rest := piece[room:]:
                waiting[len(rest)].append((place, rest))
        return order

    def _pieces(self, rng: random.Random) -> list[list[int]]:
        most = max(1, self._batch_size // _TREES_A_STEP)
        pieces = []
        for tree in self._trees:
            start = rng.randrange(len(tree))  # so that another epoch cuts elsewhere
            turned = tree[start:] + tree[:start]
            pieces += [turned[at : at + most] for at in range(0, len(tree), most)]
        return pieces


def whole_tree_batches(trees: Sequence[Hashable], least: int) -> list[list[int]]:
    """All examples in batches of whole trees: each of `least` or more, the last one aside.

    `trees`: the tree of each example.
    """
    batches: list[list[int]] = []
    for members in _members(trees):
        if not batches or len(batches[-1]) >= least:
            batches.append([])
        batches[-1] += members
    return batches


def _members(trees: Sequence[Hashable]) -> list[list[int]]:
    """The examples of each tree, the trees in the order in which they appear."""
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, tree in enumerate(trees):
        members[tree].append(index)
    return list(members.values())
