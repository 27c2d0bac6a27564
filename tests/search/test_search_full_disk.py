"""A full disk ends a search with what to do, and costs nothing: once there is room, it goes on from there.

The disk is really full: files that may not grow (RLIMIT_FSIZE), a small tmpfs, /dev/full.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from marco_dag.errors import SearchError
from tests.search.quick_search import assert_same_tables, search

SCRIPT = Path(__file__).with_name("quick_search.py")
WHAT_TO_DO = (
    "Nothing that was answered is lost: make room (or mend the disk) and run the search again; it goes on from here."
)


ROOM = ("8k", "100k", "256k", "272k", "288k", "304k", "10m")
"""What a disk has room for, a little more each time that the search is run again."""

TMPFS = """
mount -t tmpfs -o size=8k none {folder} || exit 32
for size in {room}; do
    mount -o remount,size=$size {folder}
    {search} {folder} 2>&1 | tail -n 1
done
cp {folder}/*.parquet {saved}
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed")


@pytest.fixture(scope="module", autouse=True)
def calls(undisturbed: Path) -> int:
    """What a search asks for that nothing disturbs."""
    return search(undisturbed)


@pytest.mark.parametrize(
    ("size", "refused"),
    [(10, "search"), (500, "search"), (3000, r"search/block-000000\.journal"), (200_000, r"search/block-\d+\.journal")],
)
def test_files_that_may_not_grow(calls: int, undisturbed: Path, tmp_path: Path, size: int, refused: str) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--bytes", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    said = done.stderr.splitlines()[-1]
    assert re.match(f"{re.escape(str(tmp_path))}/{refused}: cannot be written: File too large\\. ", said)
    assert said.endswith(WHAT_TO_DO)
    answered = sum(file.read_bytes().count(b'["call"') for file in tmp_path.rglob("*.journal"))
    assert search(tmp_path) == calls - answered
    assert_same_tables(tmp_path, undisturbed)


@pytest.mark.slow
def test_a_file_system_that_is_full(undisturbed: Path, tmp_path: Path) -> None:
    disk, saved = tmp_path / "disk", tmp_path / "saved"
    disk.mkdir()
    saved.mkdir()
    search_again = f"{sys.executable} {SCRIPT}"
    script = TMPFS.format(folder=disk, saved=saved, search=search_again, room=" ".join(ROOM))
    if shutil.which("unshare") is None:
        pytest.skip("nothing here to mount a file system with")
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or done.returncode == 32:
        pytest.skip(f"a file system may not be mounted here: {done.stderr}")
    found = (
        re.match(r".*/(\S+): cannot be written: .*No space left on device", line) for line in done.stdout.splitlines()
    )
    refused = [refusal[1] for refusal in found if refusal]
    assert "Traceback" not in done.stdout
    assert refused[0] == "block-000000.journal"
    assert {Path(name).suffix for name in refused} == {".journal", ".parquet"}
    assert_same_tables(saved, undisturbed)


@pytest.mark.parametrize("name", ["search/holder", "thoughts.tmp", "trees.tmp"])
def test_a_device_that_is_full(undisturbed: Path, tmp_path: Path, name: str) -> None:
    full = tmp_path / name
    full.parent.mkdir(exist_ok=True)
    full.symlink_to("/dev/full")
    with pytest.raises(SearchError, match=r"cannot be written: .*No space left on device.*" + re.escape(WHAT_TO_DO)):
        search(tmp_path)
    full.unlink(missing_ok=True)
    search(tmp_path)
    assert_same_tables(tmp_path, undisturbed)
