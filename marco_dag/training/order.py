"""The order of the examples: a function of seed, epoch and lengths alone, whatever trains on them.

transformers' own length grouping draws from the global random state, so a resumed run would go on in another order, and
it feeds the long batches of a small data set first and the short ones last.
"""

import math
import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

from marco_dag.identity import derive_seed

_GROUPED_BATCHES = 16
"""Batches that are cut from one stretch sorted by length: more save padding, fewer mix better."""


class LengthGroupedOrder(Sampler[int]):
    """Every index once an epoch; the `batch_size` of one optimizer step are of like length, the steps in random order.

    `lengths`: tokens of each example. The examples left over from whole batches, a random choice, come last.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is epoch `epoch`, ≥ 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        yield from self._of_epoch(self._epoch)

    def of_step(self, step: int) -> list[int]:
        """The examples of optimizer step `step`, counted from 1 through all epochs."""
        epoch, place = divmod(step - 1, math.ceil(len(self) / self._batch_size))
        return self._of_epoch(epoch)[place * self._batch_size : (place + 1) * self._batch_size]

    def _of_epoch(self, epoch: int) -> list[int]:
        rng = random.Random(derive_seed("example order", self._seed, epoch))
        order = list(range(len(self._lengths)))
        rng.shuffle(order)
        whole = len(order) - len(order) % self._batch_size
        stretch = self._batch_size * _GROUPED_BATCHES
        batches: list[list[int]] = []
        for start in range(0, whole, stretch):
            by_length = sorted(order[start : min(start + stretch, whole)], key=lambda index: self._lengths[index])
            batches += [by_length[at : at + self._batch_size] for at in range(0, len(by_length), self._batch_size)]
        rng.shuffle(batches)
        return [index for batch in batches for index in batch] + order[whole:]
