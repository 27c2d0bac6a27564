"""Samples of published benchmarks, for the tests that check against real data; none of it is in the repository."""

from pathlib import Path

import pytest


def sample_file(name: str) -> Path:
    """`shared/benchmarks/<name>` in the nearest folder above the repository that has it; without one the test skips."""
    for folder in Path(__file__).resolve().parents[1].parents:
        file = folder / "shared" / "benchmarks" / name
        if file.exists():
            return file
    pytest.skip(f"no shared/benchmarks/{name} above the repository")
