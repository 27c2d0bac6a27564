"""Names that seeds and profiles bring, chosen to lead out of the storage root: they are refused, or stay inside."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from marco_dag.engines.vllm_servers import log_file
from marco_dag.errors import ProfileError
from marco_dag.profiles import parse_profile
from tests.assets.conftest import House, open_house

OUT = ("../../out", "/tmp/out", "a/../../../out", "..", "~/out", "out\x00", "..\\out")
ROW = {"task": "letters", "prompt": "How many b in bab?", "reference": {"word": "bab", "letter": "b"}}


@pytest.fixture
def house(tmp_path) -> Iterator[House]:
    with open_house(tmp_path / "outer" / "data", dg.DagsterInstance.ephemeral()) as house:
        yield house


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_seeds_files_with_hostile_names_rows_and_links_leave_nothing_outside_the_root(house, tmp_path):
    secret = tmp_path / "secret.jsonl"
    secret.write_text(json.dumps(ROW | {"prompt": "How many s in secrets?"}))
    house.drop("%2F..%2F..%2Fout\n.jsonl", [ROW])
    house.drop("-rf ~.jsonl", [ROW | {name: word} for name in ("task", "prompt", "seed_id", "batch") for word in OUT])
    (house.storage.seeds / "link.jsonl").symlink_to(secret)
    (house.storage.seeds / "up").symlink_to(tmp_path)
    assert house.run("seed_batches", "held_out_questions", "benchmark_questions", "benchmark_quarantine").success
    batches = house.table("seed_batches")
    assert "link.jsonl" not in batches["source"].to_list(), "a link was followed"
    dropped = batches.filter(pl.col("batch") != "generated")["batch"].to_list()
    assert len(dropped) == 2
    for batch in dropped:
        assert house.run("seed_prompts", "seed_quarantine", "seed_overlaps", partition=batch).success
        assert set(house.table("seed_prompts", batch)["batch"]) <= {batch}
    outside = {path for path in everything(tmp_path) if not path.startswith("outer/data/")}
    assert outside == {"outer", "outer/data", "secret.jsonl"}


@pytest.mark.parametrize("name", OUT)
def test_a_sources_name_that_is_no_plain_word_is_refused(name):
    with pytest.raises(ProfileError, match=r"seeds\.sources"):
        parse_profile({"name": "mine", "seeds": {"sources": {name: {"path": "x.jsonl", "task": "math"}}}}, origin="x")


@pytest.mark.parametrize("name", OUT)
def test_a_servers_log_stays_among_the_logs_whatever_the_recipe_is_called(name, tmp_path):
    assert log_file(tmp_path, name, 8000).parent == tmp_path


@pytest.mark.parametrize("name", OUT)
def test_what_a_recipe_or_a_profile_of_any_name_makes_stays_inside(name, house):
    root = house.storage.root
    for place in (
        house.storage.table_file("scores", name),
        house.storage.manifest_file("dpo_checkpoint", name),
        house.storage.report_folder(name) / "report.html",
    ):
        assert place.resolve().is_relative_to(root)
