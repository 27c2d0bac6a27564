"""What becomes of a batch's good rows before any is searched: duplicates and contaminated ones go to the quarantine.

Nothing is lost: each dropped row stands in the quarantine with its reason, a contaminated one also in the overlaps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from marco_dag.schemas import SEED_OVERLAPS, conform
from marco_dag.seeds.decontamination import Decontamination
from marco_dag.seeds.files import RAW_CHARS
from marco_dag.seeds.reader import SeedFile, SeedKey, keys_of

_SHOWN_CHARS = 160


@dataclass(frozen=True, slots=True)
class ScreenedSeeds:
    """A batch as it is searched, and what was kept from it."""

    prompts: pl.DataFrame
    """The seeds that remain, in the file's order (`schemas.SEED_PROMPTS`)."""
    quarantine: pl.DataFrame
    """Every row that was left out (`schemas.SEED_QUARANTINE`): what the reader found, duplicates, contaminated."""
    overlaps: pl.DataFrame
    """The contaminated seeds and the questions they overlap with (`schemas.SEED_OVERLAPS`)."""
    duplicates: int
    """Seeds that an earlier batch holds."""
    contaminated: int
    """Seeds that overlap with a benchmark."""


def screen(read: SeedFile, keepers: Mapping[SeedKey, str], decontamination: Decontamination) -> ScreenedSeeds:
    """Drop from what was `read` the questions that an earlier batch keeps (`keepers`) and those that a benchmark holds.

    A row that is both counts as contaminated.
    """
    found = decontamination.overlaps(read.prompts)
    reasons = {seed: _reason(row) for seed, row in _first_of_each(found).items()}
    contaminated = len(reasons)
    for seed, key in enumerate(keys_of(read.prompts)):
        if key in keepers:
            reasons.setdefault(seed, f"duplicate of a question of batch {keepers[key]}")
    rows = read.prompts.with_columns(
        seed=pl.int_range(pl.len()), file=pl.lit(read.file), line=pl.Series(read.lines, dtype=pl.Int64)
    )
    why = pl.DataFrame([*reasons.items()], schema={"seed": pl.Int64, "reason": pl.String}, orient="row")
    dropped = rows.join(why, on="seed", maintain_order="left").select(
        "batch", "file", "line", "reason", field=pl.lit("prompt"), raw=pl.col("prompt").str.head(RAW_CHARS)
    )
    return ScreenedSeeds(
        prompts=rows.filter(~pl.col("seed").is_in([*reasons])).select(read.prompts.columns),
        quarantine=pl.concat([read.quarantine, conform(dropped, "seed_quarantine")]).sort("line", maintain_order=True),
        overlaps=rows.join(found, on="seed", maintain_order="left").select(SEED_OVERLAPS.names()),
        duplicates=len(reasons) - contaminated,
        contaminated=contaminated,
    )


def _first_of_each(overlaps: pl.DataFrame) -> dict[int, dict[str, object]]:
    firsts = overlaps.unique("seed", keep="first", maintain_order=True)
    return {row["seed"]: row for row in firsts.iter_rows(named=True)}


def _reason(overlap: Mapping[str, object]) -> str:
    """Why a seed is contaminated, in one line."""
    what = f"what {overlap['benchmark']} asks ({overlap['question_id']})"
    if overlap["match"] == "equal":
        return f"is {what}"
    return f"shares {overlap['words']} words in a row with {what}: {str(overlap['overlap'])[:_SHOWN_CHARS]!r}"
