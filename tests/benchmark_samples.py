"""Samples of real benchmarks, where this machine has them: in `shared/benchmarks` beside or above the repository."""

from pathlib import Path

import pytest


def sample_file(name: str) -> Path:
    """The file `name` of the samples; skips the test where there is none."""
    for folder in Path(__file__).resolve().parents:
        file = folder / "shared" / "benchmarks" / name
        if file.is_file():
            return file
    pytest.skip(f"no shared/benchmarks/{name} above the repository")
