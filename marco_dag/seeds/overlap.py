"""Where texts share a run of words: an index over the n-grams of some texts, asked with others.

Linear in the words of both sides: n-grams are looked up by a rolling hash, and what the hash finds is compared word by
word, so no match is an accident. Knows no benchmarks and no seeds (`marco_dag.seeds.decontamination`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

Ids: TypeAlias = npt.NDArray[np.int64]

_BASE = np.uint64(0x9E3779B97F4A7C15)
_TEXTS_AT_ONCE = 2048
_SCHEMA = pl.Schema({"hash": pl.UInt64, "text": pl.Int64, "start": pl.Int64})


@dataclass(frozen=True, slots=True)
class Match:
    """The longest run of words that an asked text shares with an indexed one."""

    asked: int
    """Which of the asked texts."""
    indexed: int
    """Which of the indexed texts."""
    start: int
    """First word of the run in the asked text."""
    words: int
    """Length of the run, at least that of the n-gram that was looked up."""


@dataclass(frozen=True, slots=True)
class _Words:
    """Texts as word ids, one text after the other."""

    ids: Ids  # [words of all texts]
    ends: Ids  # [texts], where each text ends

    def of(self, text: int) -> Ids:
        return self.ids[self.start(text) : self.ends[text]]

    def start(self, text: int) -> int:
        return int(self.ends[text - 1]) if text else 0


class OverlapIndex:
    """The n-grams of texts.

    Of a text with at least `words` words, every run of so many; of a shorter one with at least `min_words` all of it,
    as one run; of a still shorter one nothing. A run that stands in more than `common` texts of one group is a common
    phrase and counts for nothing.
    """

    def __init__(
        self, texts: Sequence[Sequence[str]], groups: Sequence[str], *, words: int, min_words: int, common: int
    ) -> None:
        """`texts` as their words, and for each the group it belongs to."""
        self._vocabulary: dict[str, int] = {}
        for text in texts:
            for word in text:
                self._vocabulary.setdefault(word, len(self._vocabulary) + 1)
        self._words = self._read(texts)
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        of = pl.DataFrame({"text": range(len(texts)), "group": groups}, schema={"text": pl.Int64, "group": pl.String})
        self._grams: dict[int, pl.DataFrame] = {}
        for size in range(min_words, words + 1):
            chosen = lengths >= size if size == words else lengths == size
            if not chosen.any():
                continue
            grams = _grams(self._words, size)
            grams = grams.filter(pl.Series(chosen[grams["text"].to_numpy()]))
            counts = grams.join(of, on="text").group_by("hash", "group").len()
            frequent = counts.filter(pl.col("len") > common).select("hash").unique()
            self._grams[size] = grams.join(frequent, on="hash", how="anti")

    def matches(self, texts: Sequence[Sequence[str]], *, most: int) -> Iterator[Match]:
        """For each of `texts` (as their words) up to `most` indexed texts that share a run with it.

        Where there are more, those that share the most runs; the longest runs come first. A few thousand texts are held
        at a time.
        """
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            some = self._read(texts[first : first + _TEXTS_AT_ONCE])
            longest: dict[tuple[int, int], Match] = {}
            for asked, indexed, start, other, size in self._met(some, most).iter_rows():
                found = longest.get((asked, indexed))
                if found is not None and start + size <= found.start + found.words:
                    continue
                match = self._extended(some, asked, start, indexed, other)
                if match.words >= size and (found is None or match.words > found.words):
                    longest[asked, indexed] = match
            for match in sorted(longest.values(), key=lambda match: (match.asked, -match.words, match.indexed)):
                yield replace(match, asked=match.asked + first)

    def _met(self, some: _Words, most: int) -> pl.DataFrame:
        """Where runs of `some` are met in the index: text, indexed text, start in each, size; `most` texts for each."""
        met = pl.concat(
            [
                _grams(some, size).join(grams, on="hash", suffix="_indexed").with_columns(size=pl.lit(size, pl.Int64))
                for size, grams in self._grams.items()
            ]
            or [_SCHEMA.to_frame().with_columns(text_indexed="text", start_indexed="start", size="start")]
        )
        pairs = met.group_by("text", "text_indexed").len("runs").sort("runs", "text_indexed", descending=[True, False])
        chosen = pairs.group_by("text", maintain_order=True).head(most)
        return (
            met.join(chosen, on=["text", "text_indexed"], how="semi")
            .select("text", "text_indexed", "start", "start_indexed", "size")
            .sort("text", "start", "text_indexed", "size")
        )

    def _extended(self, some: _Words, asked: int, start: int, indexed: int, other: int) -> Match:
        """The run around the words at `start` and at `other`, as far as both texts agree; empty where they do not."""
        mine, theirs = some.of(asked), self._words.of(indexed)
        before = min(start, other)
        ahead = _agreeing(mine[start:], theirs[other:])
        back = _agreeing(mine[start - before : start][::-1], theirs[other - before : other][::-1]) if ahead else 0
        return Match(asked, indexed, start - back, back + ahead)

    def _read(self, texts: Sequence[Sequence[str]]) -> _Words:
        known = self._vocabulary
        ids = np.fromiter((known.get(word, 0) for text in texts for word in text), dtype=np.int64)
        return _Words(ids, np.cumsum([len(text) for text in texts], dtype=np.int64))


def _agreeing(mine: Ids, theirs: Ids) -> int:
    """How many words two texts have in common from their beginnings on."""
    length = min(len(mine), len(theirs))
    different = np.flatnonzero(mine[:length] != theirs[:length])
    return int(different[0]) if len(different) else length


def _grams(words: _Words, size: int) -> pl.DataFrame:
    """The first place of each distinct run of `size` words in each text: hash, text, start within the text."""
    count = len(words.ids) - size + 1
    if count <= 0:
        return _SCHEMA.to_frame()
    ids = words.ids.astype(np.uint64)
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(size):
        hashes = hashes * _BASE + ids[place : place + count]
    starts = np.arange(count)
    text = np.searchsorted(words.ends, starts, side="right")
    begins = np.concatenate([[0], words.ends[:-1]])[text]
    whole = starts + size <= words.ends[text]
    frame = pl.DataFrame(
        {"hash": hashes[whole], "text": text[whole], "start": (starts - begins)[whole]}, schema=_SCHEMA
    )
    return frame.unique(["hash", "text"], keep="first", maintain_order=True)
