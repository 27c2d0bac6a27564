"""The study's cells as partitions: each alone, gaps until then, `marco study` and Dagster finding each other's work."""

import dagster as dg
import pytest

from marco_dag.cli import main
from marco_dag.lineage import open_database

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studied(house):
    """One cell of answers and no other."""
    assert house.run("study_answers", partition="0|sft").success
    return house


def test_a_cell_is_a_partition_with_its_rows_its_checks_and_its_lineage(studied):
    answers = studied.table("study_answers", "0/sft")
    assert set(answers["checkpoint"]) == {"sft"}
    assert set(answers["seed"]) == {0}
    assert set(answers["question_id"]) == set(answers.filter(decoding="greedy")["question_id"])
    with open_database(studied.storage) as database:
        [row] = database.execute(
            "SELECT partition, path, stored FROM latest_artifacts WHERE asset_key = 'study_answers'"
        ).fetchall()
        assert database.execute("SELECT count(*) FROM study_answers").fetchone() == (answers.height,)
    assert row[:2] == ("0|sft", "tables/study_answers/0%2Fsft.parquet")
    assert (studied.storage.artifacts / "scores" / row[2]).is_dir()


def test_the_findings_show_what_is_missing_as_gaps(studied):
    assert studied.run("study_findings").success
    findings = studied.table("study_findings")
    assert set(findings["verdict"]) == {"gap"}
    records = dg.AssetRecordsFilter(asset_key=dg.AssetKey("study_findings"))
    [record] = studied.instance.fetch_materializations(records, limit=1).records
    page = str(record.asset_materialization.metadata["results"].value)
    assert "- `control`, seed 1" in page
    assert "- `sft`, seed 0" not in page


def test_the_command_finds_what_dagster_has_made_and_the_other_way_round(studied, capfd):
    arguments = ["--seeds", "0", "--only", "sft", "base", "--workers", "1", "--root", str(studied.storage.root)]
    before = {path.name for path in (studied.storage.artifacts / "sft").iterdir() if path.is_dir()}
    assert main(["study", *arguments]) == 0
    assert {path.name for path in (studied.storage.artifacts / "sft").iterdir() if path.is_dir()} == before
    assert "results.md" in capfd.readouterr().out
    assert studied.run("study_answers", partition="0|base").success
    records = dg.AssetRecordsFilter(asset_key=dg.AssetKey("study_answers"), asset_partitions=["0|base"])
    [record] = studied.instance.fetch_materializations(records, limit=1).records
    assert record.asset_materialization.metadata["reused"].value is True


def test_unknown_cells_are_refused_with_the_known_ones(studied, capfd):
    assert main(["study", "--only", "sft", "nobody"]) == 2
    assert "--only: no cell 'nobody'; there are: base, sft-long-cot" in capfd.readouterr().err
