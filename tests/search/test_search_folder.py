"""The folder of a search: held by one process, whole after a kill at any step, clear about damage."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from marco_dag.errors import SearchError
from tests.search.quick_search import assert_same_tables, search

SCRIPT = Path(__file__).with_name("quick_search.py")

STEPS = [
    ("os.rename", "search.json"),
    ("os.rename", "block-000000-thoughts.parquet"),
    ("os.rename", "block-000000-trees.parquet"),
    ("os.remove", "block-000000.journal"),
    ("os.remove", "block-000001.journal"),
    ("os.rename", "thoughts.parquet"),
    ("os.rename", "trees.parquet"),
    ("os.rename", "search.cleared"),
    ("os.rmdir", "search.cleared"),
]
"""What happens to which file on a search's way to its tables."""


def start(folder: Path, number: str, event: str, name: str) -> subprocess.Popen[bytes]:
    """A search that sends itself a signal just before `event` happens to the file `name`."""
    command = [sys.executable, str(SCRIPT), str(folder), "--signal", number, event, name]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture(scope="module", autouse=True)
def calls(undisturbed: Path) -> int:
    """What a search asks for that nothing disturbs."""
    return search(undisturbed)


@pytest.mark.parametrize(("event", "name"), STEPS, ids=[f"{event}-{name}" for event, name in STEPS])
def test_killed_just_before(event: str, name: str, calls: int, undisturbed: Path, tmp_path: Path) -> None:
    process = start(tmp_path, "KILL", event, name)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    if name == "search.json":
        assert search(tmp_path) == calls
    else:
        assert search(tmp_path) < calls / 2
    assert_same_tables(tmp_path, undisturbed)


def test_a_second_search_is_refused_and_told_who_holds_it(undisturbed: Path, tmp_path: Path) -> None:
    process = start(tmp_path, "STOP", "os.rename", "block-000000-trees.parquet")
    try:
        while "T" not in Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]:
            time.sleep(0.01)
        with pytest.raises(
            SearchError, match=rf"process {process.pid} on \S+, since .*, is searching here\. Wait for it"
        ):
            search(tmp_path)
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=60) == 0
    assert_same_tables(tmp_path, undisturbed)


class TestDamage:
    @pytest.fixture
    def cut_off(self, tmp_path: Path) -> Path:
        """A search whose blocks are put away, and whose tables are not."""
        start(tmp_path, "KILL", "os.rename", "thoughts.parquet").communicate(timeout=60)
        return tmp_path

    def test_a_finished_block_that_cannot_be_read_is_named_with_the_way_out(
        self, cut_off: Path, calls: int, undisturbed: Path
    ) -> None:
        file = cut_off / "search" / "block-000000-thoughts.parquet"
        file.write_bytes(file.read_bytes()[:100])
        with pytest.raises(SearchError, match=re.escape(f"{file}: damaged")) as caught:
            search(cut_off)
        assert "remove block-000000-trees.parquet in this folder and run the search again" in str(caught.value)
        (cut_off / "search" / "block-000000-trees.parquet").unlink()
        assert calls / 2 < search(cut_off) < calls  # that block anew, and no other
        assert_same_tables(cut_off, undisturbed)

    def test_a_block_of_another_version_is_damaged_too(self, cut_off: Path) -> None:
        file = cut_off / "search" / "block-000000-trees.parquet"
        pl.read_parquet(file).drop("strategy").write_parquet(file)
        with pytest.raises(SearchError, match="its columns are not those of the table trees"):
            search(cut_off)

    def test_a_header_that_cannot_be_read_is_named(self, cut_off: Path) -> None:
        (cut_off / "search" / "search.json").write_text("{")
        with pytest.raises(SearchError, match=r"search\.json: damaged .* remove .* to begin anew"):
            search(cut_off)

    def test_blocks_without_a_header_are_nobodys(self, cut_off: Path) -> None:
        (cut_off / "search" / "search.json").unlink()
        with pytest.raises(SearchError, match=r"holds blocks of a search, but not the search\.json"):
            search(cut_off)

    def test_what_a_crash_left_half_written_is_swept_away(self, cut_off: Path, undisturbed: Path) -> None:
        (cut_off / "search" / "block-000001-thoughts.tmp").write_text("half")
        search(cut_off)
        assert_same_tables(cut_off, undisturbed)
