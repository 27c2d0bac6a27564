"""How the examples of an optimizer step are dealt to the ranks of a training.

A step's examples are the same whatever the ranks and the accumulation: the order is `marco_dag.training.order`'s, each
round of micro-batches takes the next ones of it, and each rank its share of the round.
"""

from collections.abc import Iterator, Sized
from itertools import islice

from torch.utils.data import BatchSampler, Sampler


class DealtBatches(BatchSampler):
    """The micro-batches of one rank: indices, `micro_batch` a time; the same number of them on every rank.

    An epoch's last round may be short. It is dealt as evenly as can be, and a rank may get an empty batch: it has to
    take part in the step, but not to weigh in it. accelerate's own sharding repeats examples instead.
    """

    def __init__(self, order: Sampler[int], micro_batch: int, *, rank: int, ranks: int) -> None:
        super().__init__(order, micro_batch, drop_last=False)
        self._rank = rank
        self._ranks = ranks

    def __iter__(self) -> Iterator[list[int]]:
        order = iter(self.sampler)
        while dealt := list(islice(order, self.batch_size * self._ranks)):
            start, end = (len(dealt) * rank // self._ranks for rank in (self._rank, self._rank + 1))
            yield dealt[start:end]

    def __len__(self) -> int:
        assert isinstance(self.sampler, Sized)
        return -(-len(self.sampler) // (self.batch_size * self._ranks))
