"""A study once from beginning to end, on models that learn little, in two processes."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest

from marco_dag.study.gathering import gather
from marco_dag.study.materials import Study
from marco_dag.study.runs import Run
from marco_dag.study.workers import make_cells

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SEEDS = (0, 1)
CELLS = (
    "base",
    "sft",
    "sft-long-cot",
    "sft-samples",
    "joint",
    "full",
    "control",
    "every-divergence",
    "on-policy",
    "full, decoded",
)


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    study = Study(tiny, folder / "artifacts", folder / "logs")
    assert make_cells(study, SEEDS, CELLS, workers=2) == {}
    return study


@pytest.fixture(scope="module")
def gathered(made):
    return gather(made, SEEDS)


def test_every_cell_of_every_seed_answers_the_same_questions(gathered):
    asked = gathered.answers.group_by("seed", "checkpoint", "decoding").agg(pl.col("question_id").sort())
    assert asked.height == len(SEEDS) * (len(CELLS) - 1) * 2
    assert asked["question_id"].n_unique() == 1
    assert set(gathered.decoded["checkpoint"]) == {"full"}
    assert set(gathered.decoded["seed"]) == set(SEEDS)


def test_what_was_not_asked_for_is_a_gap(gathered):
    assert ("cdpo", 0) in gathered.gaps
    assert not {cell for cell, _ in gathered.gaps} & set(CELLS)


def test_every_stage_trains_on_as_many_tokens_as_whole_steps_allow(gathered):
    trainings = {(row["seed"], row["variant"]): row for row in gathered.trainings.iter_rows(named=True)}
    for (seed, variant), row in trainings.items():
        standard = trainings[(seed, "sft" if variant.startswith("sft") else "full")]
        assert abs(row["tokens"] - standard["tokens"]) <= row["tokens"] / row["steps"], (seed, variant)


def test_seeds_differ_in_everything(made):
    first, second = (Run(made, seed) for seed in SEEDS)
    assert first.materials.models().id != second.materials.models().id
    assert not set(first.materials.questions()["prompt"]) >= set(second.materials.questions()["prompt"])
    assert first.cell("full").id != second.cell("full").id


def test_masking_changes_no_answer(gathered):
    """It cancels in cDPO's log-ratios: the joint loss with it trains the same weights up to rounding."""
    answers = gathered.answers.filter(decoding="greedy").sort("seed", "question_id")
    joint, full = (answers.filter(checkpoint=name).select("correct", "tokens") for name in ("joint", "full"))
    assert joint.equals(full)


def test_called_again_nothing_is_made_again(made):
    finished = {path: path.read_text() for path in made.artifacts.rglob("artifact.json")}  # with the time it took
    assert make_cells(made, SEEDS, CELLS, workers=1) == {}
    assert {path: path.read_text() for path in made.artifacts.rglob("artifact.json")} == finished


def test_what_is_missing_is_made_again_and_says_the_same(made, gathered):
    run = Run(made, 1)
    for piece in (run.scores("control"), run.checkpoint("control"), run.scores("sft-samples")):
        shutil.rmtree(piece.path)
    assert make_cells(made, SEEDS, CELLS, workers=1) == {}
    order = ["seed", "checkpoint", "question_id", "decoding"]
    assert gather(made, SEEDS).answers.sort(order).equals(gathered.answers.sort(order))


def test_a_cell_that_fails_says_why_and_leaves_the_others_alone(tiny, made):
    """A learning rate that no loss survives, in one variant only: the control's SFT term alone would bear it."""
    broken = tiny.recipes["joint"].model_copy(update={"learning_rate": 1e6, "epochs": 8})
    profile = tiny.model_copy(update={"recipes": {**tiny.recipes, "joint": broken}})
    study = Study(profile, made.artifacts, made.logs)
    failed = make_cells(study, [0], ["sft", "full"], workers=1)
    assert list(failed) == ["full, seed 0"]
    assert failed["full, seed 0"].startswith("TrainingError: ")
    assert "sft" in set(gather(study, [0]).answers["checkpoint"])


BUSY = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from marco_dag.study.workers import begin

context = multiprocessing.get_context("spawn")
with ProcessPoolExecutor(1, mp_context=context, initializer=begin, initargs=(Path(sys.argv[1]),)) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    command = [sys.executable, "-c", BUSY, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.kill()
    deadline = time.monotonic() + 60
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)
    assert [log.name for log in tmp_path.iterdir()] == [f"worker-{worker}.log"]
