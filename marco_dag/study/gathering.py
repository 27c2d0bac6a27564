"""What a study has made so far, as tables; what is missing is named, not made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from marco_dag.evaluation import SCORES_FILE
from marco_dag.schemas import STUDY_ANSWERS, STUDY_DECODING
from marco_dag.store import read_manifest
from marco_dag.study.materials import CHAINS_FILE, Study
from marco_dag.study.pieces import Piece
from marco_dag.study.runs import DECODED_FILE, DECODED_SUFFIX, Run, cells_of
from marco_dag.training import read_summary

TRAININGS = pl.Schema(
    {
        "seed": pl.Int64(),
        "variant": pl.String(),
        "examples": pl.Int64(),  # distinct chains or pairs
        "steps": pl.Int64(),
        "tokens": pl.Int64(),  # through the model, prompts included
        "seconds": pl.Float64(),  # of the stage's making, what it stands on not counted
    }
)
"""One row a trained checkpoint: its last stage."""
LENGTHS = pl.Schema({"seed": pl.Int64(), "task": pl.String(), "length_rank": pl.String(), "tokens": pl.Int64()})
"""One row a correct chain of the trees."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that there is of some seeds."""

    answers: pl.DataFrame
    """schemas.STUDY_ANSWERS."""
    decoded: pl.DataFrame
    """schemas.STUDY_DECODING."""
    trainings: pl.DataFrame
    """TRAININGS."""
    lengths: pl.DataFrame
    """LENGTHS."""
    gaps: Sequence[tuple[str, int]]
    """Cell and seed of what was not made yet, or failed."""


def gather(study: Study, seeds: Sequence[int]) -> Gathered:
    """Read every finished cell of `seeds`; StorageError where one is damaged."""
    answers, decoded, trainings, lengths, gaps = [], [], [], [], []
    for seed in seeds:
        run = Run(study, seed)
        for cell in cells_of(run.variants):
            piece = run.cell(cell)
            if not piece.is_made:
                gaps.append((cell, seed))
            elif cell.endswith(DECODED_SUFFIX):
                decoded.append(read_decoded(piece.path, seed))
            else:
                answers.append(read_answers(piece.path, seed))
                trainings += _training(seed, cell, run.checkpoint(cell))
        chains = run.materials.chains(run.materials.trees())
        if chains.is_made:
            ranked = pl.read_parquet(chains.path / CHAINS_FILE).filter(pl.col("length_rank").is_not_null())
            lengths.append(_of_seed(seed, ranked, LENGTHS))
    return Gathered(
        answers=pl.concat([STUDY_ANSWERS.to_frame(), *answers]),
        decoded=pl.concat([STUDY_DECODING.to_frame(), *decoded]),
        trainings=pl.DataFrame(trainings, schema=TRAININGS),
        lengths=pl.concat([LENGTHS.to_frame(), *lengths]),
        gaps=gaps,
    )


def read_answers(folder: Path, seed: int) -> pl.DataFrame:
    """The answers (schemas.STUDY_ANSWERS) that a finished cell of scores holds."""
    columns = [name for name in STUDY_ANSWERS if name != "seed"]
    return _of_seed(seed, pl.read_parquet(folder / SCORES_FILE, columns=columns), STUDY_ANSWERS)


def read_decoded(folder: Path, seed: int) -> pl.DataFrame:
    """The questions (schemas.STUDY_DECODING) that a finished cell of decoded ones holds."""
    return _of_seed(seed, pl.read_parquet(folder / DECODED_FILE), STUDY_DECODING)


def _of_seed(seed: int, frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    whole = frame.with_columns(seed=pl.lit(seed, dtype=pl.Int64))
    return whole.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def _training(seed: int, variant: str, checkpoint: Piece | None) -> list[dict[str, object]]:
    if checkpoint is None or not checkpoint.is_made:
        return []
    folder = checkpoint.path
    summary = read_summary(folder)
    return [
        {
            "seed": seed,
            "variant": variant,
            "examples": summary.examples,
            "steps": summary.steps,
            "tokens": summary.tokens,
            "seconds": read_manifest(folder).seconds,
        }
    ]
