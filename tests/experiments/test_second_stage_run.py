"""The second-stage experiment once from beginning to end, on models that learn little, in two processes."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from experiments.second_stage.__main__ import run_experiment
from experiments.second_stage.runs import Experiment, Run
from experiments.second_stage.variants import BUDGET, CONTROL, SFT, VARIANTS, unwatched
from marco_dag.profiles import load_profile

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TINY = unwatched(load_profile(str(Path(__file__).parents[1] / "profiles" / "tiny.yaml")))
# A student that learns as much as the teacher, or its own trees would hold nothing right.
MODELS = TINY.miniature.model_copy(update={"student": TINY.miniature.generator})
SEEDS = TINY.seeds.model_copy(update={"generated_per_task": 24})
PROFILE = TINY.model_copy(update={"miniature": MODELS, "seeds": SEEDS})
TRIED = {name: VARIANTS[name] for name in (CONTROL, BUDGET, "full-every-divergence", "full-on-policy")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Run]:
    experiment = Experiment(PROFILE, TRIED, tmp_path_factory.mktemp("second_stage"))
    return [Run(experiment, seed, teacher=0) for seed in (0, 1)]


@pytest.fixture(scope="module")
def table(runs) -> str:
    return run_experiment(runs, workers=2)


def test_every_checkpoint_of_every_seed_answers_the_same_questions(runs, table):
    answers = pl.read_parquet(runs[0].experiment.folder / "answers.parquet")
    asked = answers.group_by("seed", "checkpoint", "decoding").agg(pl.col("question_id").sort())
    assert asked.height == 2 * 2 * (1 + len(TRIED))
    assert asked["question_id"].n_unique() == 1
    assert "2 seeds, 1 teacher, 16 distinct held-out questions" in table
    assert (runs[0].experiment.folder / "table.md").read_text() == table


def test_every_variant_trains_on_as_many_tokens_as_whole_steps_allow(runs, table):
    trainings = pl.read_parquet(runs[0].experiment.folder / "trainings.parquet").filter(pl.col("checkpoint") != SFT)
    budgets = dict(trainings.filter(checkpoint=BUDGET).select("seed", "tokens").iter_rows())
    for row in trainings.iter_rows(named=True):
        assert abs(row["tokens"] - budgets[row["seed"]]) <= row["tokens"] / row["steps"], row


def test_called_again_nothing_is_made_again(runs, table):
    folder = runs[0].experiment.folder
    made = {path: path.read_text() for path in folder.rglob("artifact.json")}  # with the time it took
    assert run_experiment(runs, workers=1) == table
    assert {path: path.read_text() for path in folder.rglob("artifact.json")} == made


def test_what_is_missing_is_made_again_and_says_the_same(runs, table):
    for name in (CONTROL, "full-on-policy"):
        for artifact in (runs[1].scores(name), runs[1].checkpoint(name)):
            shutil.rmtree(artifact.path)
    assert run_experiment(runs, workers=1) == table
