"""What is appended comes back; what is torn or damaged is left out, named, and nothing else with it."""

import json
import logging
import subprocess
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.engines import Completion
from marco_dag.errors import SearchError
from marco_dag.search.journal import Journal, TreeRecords
from marco_dag.search.records import JournalReader, TreeEnd
from marco_dag.tasks.protocol import Verdict

ANY_TEXT = st.text(st.characters())
"""Lone surrogates, NUL and line ends included."""

COMPLETIONS = st.builds(
    Completion,
    ANY_TEXT,
    st.integers(0, 1 << 62),
    st.sampled_from(["stop", "length"]),
    st.none() | ANY_TEXT,
    st.none() | st.floats(0, 1),
)
VERDICTS = st.builds(Verdict, st.sampled_from(["correct", "wrong", "no_answer"]), ANY_TEXT, st.none() | ANY_TEXT)
TREES = st.builds(
    TreeRecords,
    st.dictionaries(ANY_TEXT, st.lists(COMPLETIONS, max_size=3), max_size=4),
    st.dictionaries(ANY_TEXT, VERDICTS, max_size=4),
)
ENDS = st.builds(TreeEnd, st.integers(0), st.integers(0), st.integers(0), st.floats(0, allow_infinity=False), ANY_TEXT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "block.journal"


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


def four_calls(file: Path) -> list[bytes]:
    """Journal four calls of tree "t" by the keys k0 to k3; the lines."""
    journal = Journal(file)
    for number in range(4):
        journal.append_call("t", f"k{number}", [Completion(f"text {number}\n", number, "stop", "</x>")])
    journal.close()
    return file.read_bytes().splitlines(keepends=True)


def recalled(file: Path) -> set[str]:
    """The keys of tree "t" that a new journal on the file recalls."""
    journal = Journal(file)
    journal.close()
    return set(journal.recall("t").calls)


@given(trees=st.dictionaries(ANY_TEXT, TREES, max_size=3), ends=st.dictionaries(ANY_TEXT, ENDS, max_size=3))
def test_everything_appended_is_recalled(
    trees: dict[str, TreeRecords], ends: dict[str, TreeEnd], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("journal") / "block.journal"
    journal = Journal(file)
    for tree_id, records in trees.items():
        for key, completions in records.calls.items():
            journal.append_call(tree_id, key, completions)
        for answer_id, verdict in records.verdicts.items():
            journal.append_verdict(tree_id, answer_id, verdict)
    for tree_id, end in ends.items():
        journal.append_end(tree_id, end)
    journal.close()
    again = Journal(file)
    again.close()
    assert again.calls == journal.calls == sum(len(records.calls) for records in trees.values())
    for tree_id, records in trees.items():
        assert again.recall(tree_id) == records
        assert again.recall(tree_id) == TreeRecords()  # handed over once
    for tree_id, end in ends.items():
        assert again.ended(tree_id) == end
    assert again.ended("another") == ends.get("another")


def test_a_million_characters_are_one_record(file: Path) -> None:
    text = "ab\n\x00\ud800é" * 200_000
    journal = Journal(file)
    journal.append_call("t", "k", [Completion(text, 1, "length")])
    journal.close()
    [completion] = Journal(file).recall("t").calls["k"]
    assert completion.text == text


def test_cut_at_every_byte_of_its_last_record(file: Path, warnings: pytest.LogCaptureFixture) -> None:
    lines = four_calls(file)
    kept = b"".join(lines[:3])
    for length in range(len(lines[3])):
        warnings.clear()
        file.write_bytes(kept + lines[3][:length])
        assert recalled(file) == {"k0", "k1", "k2"}
        assert file.read_bytes() == kept
        said = [f"{file}, line 4: torn and cut off; what it answered is asked again"] if length else []
        assert warnings.messages == said


def test_a_cut_journal_goes_on(file: Path) -> None:
    lines = four_calls(file)
    file.write_bytes(b"".join(lines)[:-5])
    journal = Journal(file)
    journal.append_call("t", "k3", [Completion("once more", 1, "stop")])
    journal.close()
    assert recalled(file) == {"k0", "k1", "k2", "k3"}


def one_bit_flipped(data: bytes) -> Iterable[tuple[int, bytes]]:
    """Every way to flip one bit, with the place of its byte."""
    for place, byte in enumerate(data):
        for bit in range(8):
            yield place, data[:place] + bytes([byte ^ (1 << bit)]) + data[place + 1 :]


def test_one_flipped_bit_loses_the_record_that_it_hit(file: Path, warnings: pytest.LogCaptureFixture) -> None:
    lines = four_calls(file)
    starts = [sum(map(len, lines[:number])) for number in range(5)]
    for place, data in one_bit_flipped(b"".join(lines)):
        warnings.clear()
        file.write_bytes(data)
        hit = max(number for number in range(4) if starts[number] <= place)
        lost = {hit}
        if place == starts[hit + 1] - 1:
            lost.add(hit + 1)  # without the end of its line it is one with the next
        assert recalled(file) == {f"k{number}" for number in range(4) if number not in lost}
        assert f"{file}, line {hit + 1}" in warnings.messages[0]
        assert "what it answered is asked again" in warnings.messages[0]


def test_of_many_damaged_lines_the_first_ten_are_named(file: Path, warnings: pytest.LogCaptureFixture) -> None:
    lines = four_calls(file)
    file.write_bytes(lines[0] + b"\n" * 30 + lines[1])
    assert recalled(file) == {"k0", "k1"}
    assert "line 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 20 more: damaged" in warnings.messages[0]


CALL = ["call", "t", "k9", [["text", 3, "stop", None, None]]]


@pytest.mark.parametrize(
    "record",
    [
        [],
        {},
        None,
        "call",
        ["call"],
        ["note", "t", "of another version"],
        [*CALL, "more"],
        ["call", 7, *CALL[2:]],
        ["call", "t", None, CALL[3]],
        ["call", "t", "k9", {"text": 3}],
        ["call", "t", "k9", [["text", 3, "stop", None]]],
        ["call", "t", "k9", [["text", "3", "stop", None, None]]],
        ["call", "t", "k9", [[None, 3, "stop", None, None]]],
        ["call", "t", "k9", [["text", 3, "abort", None, None]]],
        ["call", "t", "k9", [["text", 3, "stop", 1, None]]],
        ["call", "t", "k9", [["text", 3, "stop", None, "sure"]]],
        ["verdict", "t", "k9", ["correct", "reason"]],
        ["verdict", "t", "k9", ["right", "reason", None]],
        ["verdict", "t", "k9", ["correct", None, None]],
        ["verdict", "t", "k9", ["correct", "reason", 5]],
        ["end", "t", [1, 1, 1, "long", "rollouts"]],
        ["end", "t", [1, 1, 1, 1.0]],
    ],
    ids=json.dumps,
)
def test_a_record_of_another_version_is_left_out(
    file: Path, warnings: pytest.LogCaptureFixture, record: object
) -> None:
    lines = four_calls(file)
    text = json.dumps(record).encode()
    file.write_bytes(lines[0] + b"%08x %b\n" % (zlib.crc32(text), text) + lines[1])
    journal = Journal(file)
    journal.close()
    assert journal.recall("t") == TreeRecords(
        {f"k{number}": [Completion(f"text {number}\n", number, "stop", "</x>")] for number in range(2)}
    )
    assert journal.ended("t") is None
    assert warnings.messages == [f"{file}, line 2: damaged and left out; what it answered is asked again"]


@pytest.mark.parametrize("text", [b"[" * 1_000_000, b"9" * 100_000, b"\xff\xfe", b"{", b""], ids=lambda t: str(t[:5]))
def test_what_is_no_json_is_left_out_however_well_checked(file: Path, text: bytes) -> None:
    lines = four_calls(file)
    file.write_bytes(lines[0] + b"%08x %b\n" % (zlib.crc32(text), text) + lines[1])
    assert recalled(file) == {"k0", "k1"}


def test_a_reader_reads_along_and_each_record_once(file: Path) -> None:
    journal, reader = Journal(file), JournalReader(file)
    assert list(reader.read()) == []
    journal.append_verdict("t", "n", Verdict("wrong", "reason"))
    assert list(reader.read()) == [("t", ("n", Verdict("wrong", "reason")))]
    assert list(reader.read()) == []
    with file.open("ab") as torn:
        torn.write(b"half a li")
    assert list(reader.read()) == []
    assert reader.offset == file.stat().st_size - len(b"half a li")
    journal.close()
    file.unlink()
    with pytest.raises(FileNotFoundError):
        list(reader.read())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "block.journal").mkdir()
    with pytest.raises(SearchError, match=r"block\.journal: cannot be written: Is a directory.* run the search again"):
        Journal(tmp_path / "block.journal")


APPEND_UNTIL_REFUSED = """
import resource, sys
from pathlib import Path
from marco_dag.engines import Completion
from marco_dag.errors import SearchError
from marco_dag.search.journal import Journal
journal = Journal(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
for key in range(100):
    try:
        journal.append_call("t", str(key), [Completion("some text", 1, "stop")])
    except SearchError as error:
        print(key, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    journal.append_call("t", "last", [])
except SearchError as error:
    print("last", error)
journal.close()
"""


def test_what_the_disk_refuses_is_not_half_written(file: Path) -> None:
    """What a full disk does to a whole search is in test_search_full_disk.py."""
    command = [sys.executable, "-c", APPEND_UNTIL_REFUSED, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    refusals = done.stdout.splitlines()
    first = int(refusals[0].split()[0])
    assert refusals[0].startswith(f"{first} {file}: cannot be written: File too large. Nothing that was answered is")
    assert len(refusals) == 100 - first + 1  # after one, all: also where there is room again
    assert file.read_bytes().endswith(b"\n")
    assert recalled(file) == {str(key) for key in range(first)}
