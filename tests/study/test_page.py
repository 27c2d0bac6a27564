"""The page: every table and picture from what was gathered, gaps shown as gaps."""

import re
from dataclasses import replace

import polars as pl
import pytest

from marco_dag.study.gathering import Gathered
from marco_dag.study.page import PAGE_FILE, write_page


@pytest.fixture
def page(study, gathered, tmp_path):
    return write_page(tmp_path, study, gathered, [0, 1, 2, 3], command="marco study")


def test_says_what_is_behind_it(page):
    assert "written by `marco study` from the answers of 4 seeds (0, 1, 2, 3)" in page.text
    assert "200 distinct held-out questions" in page.text
    assert "all 62 hold together with 95% (Bonferroni)" in page.text
    assert "its own embedded models, questions, trees, trainings and sampled answers" in page.text


def test_tells_each_claim_with_its_verdict(page):
    rows = [line for line in page.text.splitlines() if line.startswith("| the whole recipe is more accurate than SFT")]
    assert [re.sub(r" \|.*\| ", " … ", row) for row in rows] == [
        "| the whole recipe is more accurate than SFT … **held** |"
    ] * 2
    assert "| `full` - `sft` | accuracy, sampled | +10.0 |" in page.text
    assert "| +40.0 |" in page.text  # plain DPO's silence


def test_has_every_table_of_the_paper(page):
    titles = re.findall(r"^## (.*)$", page.text, re.MULTILINE)
    assert titles == [
        "In short",
        "The ladder, and the control",
        "α, the weight of the SFT term",
        "What SFT learns from",
        "Beyond the paper: second stages beside the control",
        "MCTS decoding: Test@N",
        "Shapes of formalistic long-time thinking",
        "Where the recipe pays: tighter token limits",
        "How it is measured",
    ]


def test_its_pictures_lie_beside_it_and_are_the_same_each_time(page, study, gathered, tmp_path):
    named = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.text)
    drawn = {name: (page.path.parent / name).read_bytes() for name in named}
    assert len(drawn) == 7
    assert all(svg.startswith(b"<?xml") for svg in drawn.values())
    again = write_page(tmp_path / "again", study, gathered, [0, 1, 2, 3], command="marco study")
    assert again.text == page.text
    assert {name: (again.path.parent / name).read_bytes() for name in named} == drawn


def test_a_gap_is_named_with_its_reason_and_the_rest_is_told(study, gathered, tmp_path):
    answers = gathered.answers.filter(pl.col("checkpoint") != "cdpo")
    partial = replace(gathered, answers=answers, gaps=[("cdpo", 0), ("cdpo", 1)])
    page = write_page(tmp_path, study, partial, [0], command="x", failed={"cdpo, seed 1": "TrainingError: loss\nNaN"})
    assert "- `cdpo`, seed 0\n- `cdpo`, seed 1: TrainingError: loss NaN" in page.text
    assert "| gap |" in page.text
    assert "| `joint` | + joint loss |" in page.text


def test_with_nothing_made_yet_it_is_all_gaps(study, tmp_path):
    from marco_dag.schemas import STUDY_ANSWERS, STUDY_DECODING
    from marco_dag.study.gathering import LENGTHS, TRAININGS

    frames = (schema.to_frame() for schema in (STUDY_ANSWERS, STUDY_DECODING, TRAININGS, LENGTHS))
    page = write_page(tmp_path, study, Gathered(*frames, [("sft", 0)]), [0], command="marco study")
    assert page.path.name == PAGE_FILE
    assert {finding.verdict for finding in page.findings} == {"gap"}
