"""A training as files, so that other processes can take part in it: `launch/` in its folder."""

from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from marco_dag.config import Config
from marco_dag.errors import TrainingError
from marco_dag.training.config import RecipeConfig, SftConfig

_FOLDER = "launch"
_JOB = "job.json"
_ROWS = "rows.parquet"
_ASKED = "asked.parquet"
_REFUSAL = "refusal.txt"
_FAILURE = "failure.txt"


class Job(Config):
    """What every rank of a training needs to know."""

    source: Path
    """The checkpoint's folder, absolute."""
    config: SftConfig | RecipeConfig
    """The stage; its kind says which one."""
    seed: int
    """As `train_sft` takes it."""
    folder: Path
    """The training's folder, absolute; it is claimed."""
    arguments: dict[str, Any]
    """What the summary records, as JSON."""
    ranks: int
    """Processes on all nodes."""

    @property
    def files(self) -> Path:
        """Where the job lies."""
        return self.folder / _FOLDER

    @property
    def path(self) -> Path:
        """The file that `read` takes."""
        return self.files / _JOB

    def write(self, rows: pl.DataFrame, asked: pl.DataFrame | None = None) -> None:
        """Write the job, the table that is trained on and the watched questions; an earlier failure is forgotten."""
        self.files.mkdir(parents=True, exist_ok=True)
        for name in (_REFUSAL, _FAILURE):
            (self.files / name).unlink(missing_ok=True)
        rows.write_parquet(self.files / _ROWS)
        if asked is not None:
            asked.write_parquet(self.files / _ASKED)
        self.path.write_text(self.model_dump_json())

    @staticmethod
    def read(path: Path) -> "Job":
        """The job in a file; TrainingError if there is none."""
        try:
            return Job.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise TrainingError(f"{path}: no training's job can be read here: {error}") from error

    @property
    def rows(self) -> pl.DataFrame:
        """The table that is trained on."""
        return pl.read_parquet(self.files / _ROWS)

    @property
    def asked(self) -> pl.DataFrame | None:
        """The questions that are watched, if any."""
        return None if self.config.watch is None else pl.read_parquet(self.files / _ASKED)

    def refuse(self, message: str) -> None:
        """Say why this rank stops on purpose; the first one is heard."""
        self._say(_REFUSAL, message)

    def fail(self, message: str) -> None:
        """Say what broke this rank off, which may be the end of another one; the first one is heard."""
        self._say(_FAILURE, message)

    @property
    def refusal(self) -> str | None:
        """Why a rank stopped on purpose."""
        return self._said(_REFUSAL)

    @property
    def failure(self) -> str | None:
        """What broke a rank off."""
        return self._said(_FAILURE)

    def _say(self, name: str, message: str) -> None:
        try:
            with (self.files / name).open("x") as file:
                file.write(message)
        except FileExistsError:
            pass

    def _said(self, name: str) -> str | None:
        file = self.files / name
        return file.read_text() if file.is_file() else None
