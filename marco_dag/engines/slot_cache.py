"""Keys and values of many sequences at once, one slot a sequence, written in place.

Sequences join, leave and grow without the others being copied: a sequence of length l owns positions [0, l) of its
slot, and what lies beyond is garbage that the attention mask hides. Knows nothing of requests or of sampling.

Notation: S slots, B live sequences (always the first B slots), H key/value heads, L longest live length, D head size,
Q tokens a sequence in one forward.
"""

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

_POSITIONS_AT_FIRST = 128


class _SlotLayer(CacheLayerMixin):
    """One model layer's slots."""

    def __init__(self, cache: "SlotCache") -> None:
        super().__init__()
        self._cache = cache

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        slots, positions = self._cache.slots, self._cache.positions
        _, heads, _, key_size = key_states.shape
        self.keys = key_states.new_zeros(slots, heads, positions, key_size)  # [S, H, positions, D]
        self.values = value_states.new_zeros(slots, heads, positions, value_states.shape[-1])
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Write [B, H, Q, D] at the planned slots and positions; return all that those slots hold, [B, H, L, D]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        plan = self._cache.plan
        self.keys[plan.slots, :, plan.positions] = key_states.transpose(1, 2)
        self.values[plan.slots, :, plan.positions] = value_states.transpose(1, 2)
        rows = slice(plan.first, plan.first + plan.count)
        return self.keys[rows, :, : plan.longest], self.values[rows, :, : plan.longest]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        del query_length  # the mask is always given in full
        return self._cache.plan.longest, 0

    def get_seq_length(self) -> int:
        return self._cache.plan.longest if self.is_initialized else 0

    def get_max_length(self) -> int:
        return -1


class _Plan:
    """Where one forward writes: Q positions in each of `count` neighbouring slots from `first` on."""

    def __init__(self, first: int, starts: Tensor, width: int, longest: int) -> None:
        self.first, self.count, self.longest = first, len(starts), longest
        self.positions = starts[:, None] + torch.arange(width, device=starts.device)  # [B, Q]
        self.slots = torch.arange(first, first + self.count, device=starts.device)[:, None]  # [B, 1]


class SlotCache(Cache):
    """The slots of every layer of one model."""

    plan: _Plan

    def __init__(self, layers: int, slots: int) -> None:
        self.slots = slots
        self.positions = _POSITIONS_AT_FIRST
        super().__init__(layers=[_SlotLayer(self) for _ in range(layers)])

    def prepare(self, first: int, starts: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Plan a forward of `width` tokens for the slots from `first` on, whose lengths are `starts` [B].

        Returns the position ids [B, Q] and the mask [B, 1, Q, L], True where a query may look: at its own past.
        """
        longest = int(starts.max()) + width
        self._reserve(longest)
        self.plan = _Plan(first, starts, width, longest)
        visible = torch.arange(longest, device=starts.device) <= self.plan.positions[:, None, :, None]
        return self.plan.positions, visible

    def copy(self, sources: list[int], targets: list[int], length: int) -> None:
        """Copy the first `length` positions from slots to slots; the two lists share no slot."""
        for layer in self.layers:
            layer.keys[targets, :, :length] = layer.keys[sources, :, :length]
            layer.values[targets, :, :length] = layer.values[sources, :, :length]

    def read(self, slot: int, start: int, end: int) -> Tensor:
        """The keys and values of positions [start, end) of a slot, [layers, 2, H, end - start, D]."""
        return torch.stack(
            [torch.stack((layer.keys[slot, :, start:end], layer.values[slot, :, start:end])) for layer in self.layers]
        )

    def write(self, slot: int, state: Tensor) -> None:
        """Fill a slot from position 0 with what `read` gave, [layers, 2, H, length, D]."""
        length = state.shape[-2]
        self._reserve(length)
        for layer, (keys, values) in zip(self.layers, state, strict=True):
            layer.keys[slot, :, :length] = keys
            layer.values[slot, :, :length] = values

    def _reserve(self, length: int) -> None:
        if length <= self.positions:
            return
        grown = max(length, self.positions * 3 // 2)
        for layer in self.layers:
            if layer.is_initialized:
                layer.keys = torch.nn.functional.pad(layer.keys, (0, 0, 0, grown - self.positions))
                layer.values = torch.nn.functional.pad(layer.values, (0, 0, 0, grown - self.positions))
        self.positions = grown
