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


_GROUPS_A_STEP = 4
"""A step takes examples from at least so many groups, where there are as many: fewer share more, and mix worse."""


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
    """The examples of one group are in one optimizer step, so that what they share can be computed once.

    `groups`: the group of each example. Groups come in random order, and a step fills itself with the next ones that
    fit whole. Only a group of over a quarter of a step is cut, at random, and where none fits, the next one.
    """

    def __init__(self, groups: Sequence[Hashable], batch_size: int, seed: int) -> None:
        super().__init__(len(groups), batch_size, seed)
        self._groups = _members(groups)

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
        """The groups, shuffled, those that are too large in pieces."""
        most = max(1, self._batch_size // _GROUPS_A_STEP)
        shuffled = [rng.sample(group, len(group)) for group in self._groups]
        return [group[at : at + most] for group in shuffled for at in range(0, len(group), most)]


def group_batches(groups: Sequence[Hashable], least: int) -> list[list[int]]:
    """All indices in batches of whole groups: each of `least` or more, the last one aside.

    `groups`: the group of each index.
    """
    batches: list[list[int]] = []
    for members in _members(groups):
        if not batches or len(batches[-1]) >= least:
            batches.append([])
        batches[-1] += members
    return batches


def _members(groups: Sequence[Hashable]) -> list[list[int]]:
    """The indices of each group, in the order in which groups appear."""
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    return list(members.values())
