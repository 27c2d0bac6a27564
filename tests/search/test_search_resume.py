"""A search that is killed goes on where it was: nothing finished is lost, nothing is there twice."""

import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from marco_dag.search import THOUGHTS_FILE, TREES_FILE

SCRIPT = Path(__file__).with_name("killable_search.py")
SEARCHING_SECONDS = 3.0
"""About how long the search takes undisturbed, the start of the process left out."""


def start(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def tables(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return pl.read_parquet(folder / TREES_FILE).drop("seconds"), pl.read_parquet(folder / THOUGHTS_FILE)


def asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().split()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(start(folder))
    return folder


def kill_while_it_searches(folder: Path, moment: float) -> bool:
    """Start, wait until it asks, kill `moment` seconds later; whether there was still something to kill."""
    process = start(folder)
    before = (folder / "asked").stat().st_size if (folder / "asked").exists() else 0
    while process.poll() is None and not ((folder / "asked").exists() and (folder / "asked").stat().st_size > before):
        time.sleep(0.005)
    time.sleep(moment)
    process.kill()
    process.communicate()
    return process.returncode != 0


@pytest.mark.slow
def test_killed_at_twenty_random_moments(undisturbed: Path, tmp_path: Path) -> None:
    draw = random.Random(7)
    kills = sum(kill_while_it_searches(tmp_path, draw.uniform(0, 2 * SEARCHING_SECONDS / 20)) for _ in range(20))
    finish(start(tmp_path))
    assert kills >= 15
    for resumed, whole in zip(tables(tmp_path), tables(undisturbed), strict=True):
        assert_frame_equal(resumed, whole)
    assert not (tmp_path / "search").exists()
    repeated = len(asked(tmp_path)) - len(asked(undisturbed))
    assert 0 <= repeated <= kills * 24  # what was in flight at each kill


def test_a_finished_search_asks_for_nothing(undisturbed: Path) -> None:
    before, whole = asked(undisturbed), tables(undisturbed)
    finish(start(undisturbed))
    assert asked(undisturbed) == before
    for again, first in zip(tables(undisturbed), whole, strict=True):
        assert_frame_equal(again, first)
