"""The places below the storage root."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.storage import Storage, escape_segment, partition_stem

NAMES = st.text(st.characters(codec="utf-8"), max_size=300)


def test_the_root_comes_from_the_environment_or_is_data_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MARCO_HOME", raising=False)
    assert Storage.from_environment().root == tmp_path / "data"
    monkeypatch.setenv("MARCO_HOME", "elsewhere")
    assert Storage.from_environment().root == tmp_path / "elsewhere"


def test_a_relative_root_is_fixed_when_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    storage = Storage(Path("data"))
    monkeypatch.chdir("/")
    assert storage.root == tmp_path / "data"


def test_a_table_is_a_file_a_partition():
    storage = Storage(Path("/root"))
    assert storage.table_file("trees", "batch-1.a_b") == Path("/root/tables/trees/batch-1.a_b.parquet")
    assert storage.table_file("trees") == Path("/root/tables/trees/all.parquet")
    assert storage.table_file("trees", "all") != storage.table_file("trees")


def test_paths_are_told_relative_to_the_root():
    storage = Storage(Path("/root/data"))
    assert storage.relative(Path("/root/data/tables/../reports/r.html")) == "reports/r.html"
    with pytest.raises(ValueError, match="not in the subpath"):
        storage.relative(Path("/root/data/../other"))


@given(NAMES, NAMES)
def test_no_name_leaves_the_root_and_every_file_name_is_harmless(table, partition):
    storage = Storage(Path("/root"))
    file = storage.table_file(table, partition)
    assert file.parent.parent == storage.tables
    assert not {"", ".", ".."} & set(file.parts)
    assert not file.name.startswith(".")
    assert len(file.name) < 128
    assert not set(file.name) & set('/\\:*?"<>|[]@\0\n ')
    assert storage.manifest_file(table, partition).parent.parent == storage.root / "manifests"
    assert storage.report_folder(table).parent == storage.reports


@given(NAMES, NAMES)
def test_two_partitions_never_share_a_file(one, other):
    assert (partition_stem(one) == partition_stem(other)) == (one == other)
    assert partition_stem(one) != partition_stem(None)


@pytest.mark.parametrize(
    ("name", "segment"), [("", "%"), ("..", "%2E."), ("a/b", "a%2Fb"), ("~", "%7E"), ("%2F", "%252F")]
)
def test_odd_names_are_escaped(name, segment):
    assert escape_segment(name) == segment


def test_long_names_that_begin_alike_are_kept_apart():
    assert escape_segment("x" * 300) != escape_segment("x" * 301)
