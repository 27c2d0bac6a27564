"""One measured figure and how it is written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypedDict


class Entry(TypedDict):
    """A figure in `build/bench.json`."""

    value: float
    unit: str
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figure:
    """Repeated measurements of one thing."""

    name: str
    """`area.what_it_is`; never renamed, so that it can be followed from release to release."""
    unit: str
    """Of the values: `s`, `GiB`, `ratio`."""
    values: Sequence[float]
    """Every measurement, at least one."""

    def entry(self) -> Entry:
        """The median, how many measurements there were, the smallest and the largest."""
        return {
            "value": median(self.values),
            "unit": self.unit,
            "n": len(self.values),
            "low": min(self.values),
            "high": max(self.values),
        }
