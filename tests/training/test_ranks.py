"""Ranks, accumulation and sharding change how a step is computed, and neither its loss nor what it teaches."""

import json
import os
from pathlib import Path

import polars as pl
import pytest
from safetensors.torch import load_file

from marco_dag.errors import TrainingError
from marco_dag.guarded_process import GuardedProcess
from marco_dag.training import LoraConfig, ParallelConfig, RecipeConfig, SftConfig, read_summary
from marco_dag.training.launching import environment, torchrun, where
from marco_dag.training.running import run
from marco_dag.training.states import last_whole_state

PROGRAM = Path(__file__).with_name("several_runs.py")
SEED = 3
# 43 examples: an epoch's last step has 3 of them, fewer than four ranks.
EXAMPLES = 43
COMMON = {"epochs": 2, "batch_size": 8, "max_tokens": 128, "checkpoint_every": 8}
RECIPE = {"description": "a test", "learning_rate": 1e-3, **COMMON}
FULL = {"chosen": "shortest", "label_smoothing": 0.2, "sft_weight": 1.0, "prefix_masking": "dpo"}
STAGES = {
    "sft": SftConfig(learning_rate=1e-2, **COMMON),
    "plain-dpo": RecipeConfig(**RECIPE),
    "full": RecipeConfig(**RECIPE, **FULL),
    "control": RecipeConfig(**RECIPE, preference_weight=0.0, sft_weight=1.0),
    "lora": RecipeConfig(**RECIPE, **FULL, lora=LoraConfig(rank=4)),
}
SHARDED = ("sft", "full", "lora")
KILLED_AFTER = 8  # in the middle of the second epoch of six steps


def split(config, *, ranks: int, accumulation: int = 1, **more):
    sharding = more.pop("sharding", "none")
    parallel = ParallelConfig(processes=ranks, sharding=sharding)
    return config.model_copy(update={"parallel": parallel, "gradient_accumulation": accumulation, **more})


class Runs:
    """The trainings of `STAGES`, by name and how they were split."""

    def __init__(self, folder: Path, source: Path, tables: dict[str, pl.DataFrame]) -> None:
        self.folder = folder
        self.source = source
        self.tables = tables

    def rows(self, stage: str) -> pl.DataFrame:
        return self.tables["cot" if stage == "sft" else "pairs"]

    def alone(self, stage: str, config) -> Path:
        folder = self.folder / f"alone-{stage}-{config.gradient_accumulation}"
        if not folder.exists():
            (folder / "states").mkdir(parents=True)
            run(self.source, self.rows(stage), config, seed=SEED, folder=folder, arguments={})
        return folder

    def together(self, ranks: int, runs: list[dict]) -> None:
        """Do `runs`, each {"stage", "config", "folder"…}, by one set of `ranks` processes."""
        meeting = self.folder / f"meeting-{ranks}"
        meeting.mkdir()
        written = []
        for values in runs:
            table = meeting / f"{values['stage']}.parquet"
            self.rows(values["stage"]).write_parquet(table)
            config = values["config"].model_dump(mode="json")
            written.append(values | {"source": str(self.source), "rows": str(table), "config": config, "seed": SEED})
        (meeting / "runs.json").write_text(json.dumps(written))
        parallel = ParallelConfig(processes=ranks)
        command = [*torchrun(parallel, meeting, name="test"), str(PROGRAM), where(parallel, meeting)]
        with GuardedProcess(
            [*command, str(meeting / "runs.json")], environment(parallel, os.environ | {"OMP_NUM_THREADS": "1"})
        ) as process:
            for _ in process.lines():
                pass
            assert process.wait() == 0, process.tail


@pytest.fixture(scope="module")
def runs(tmp_path_factory, even_student, make_cot, make_pairs, make_sums) -> Runs:
    sums = make_sums(EXAMPLES)
    tables = {"cot": make_cot([(prompt, right) for prompt, right, _ in sums]), "pairs": make_pairs(sums)}
    return Runs(tmp_path_factory.mktemp("ranks"), even_student, tables)


def whole_runs(runs: Runs, ranks: int) -> list[dict]:
    return [
        {"stage": stage, "config": split(config, ranks=ranks, accumulation=accumulation),
         "folder": str(runs.folder / f"{ranks}-{stage}-{accumulation}")}
        for stage, config in STAGES.items()
        for accumulation in (1, 2)
    ]  # fmt: skip


def sharded_runs(runs: Runs) -> list[dict]:
    """Each stage sharded, with a step in one piece; then in two with activations checkpointed; then from a state."""
    listed: list[dict] = []
    for stage in SHARDED:
        folder = str(runs.folder / f"sharded-{stage}")
        config = split(STAGES[stage], ranks=2, sharding="fsdp")
        saving = split(STAGES[stage], ranks=2, sharding="fsdp", accumulation=2, activation_checkpointing=True)
        listed += [
            {"stage": stage, "config": config, "folder": folder},
            {"stage": stage, "config": saving, "folder": f"{folder}-saving"},
            {"stage": stage, "config": config, "folder": f"{folder}-resumed",
             "goes_on_from": f"{folder}/states/checkpoint-{KILLED_AFTER}"},
        ]  # fmt: skip
    return listed


@pytest.fixture(scope="module")
def two_ranks(runs) -> Runs:
    runs.together(2, [*whole_runs(runs, 2), *sharded_runs(runs)])
    return runs


@pytest.fixture(scope="module")
def four_ranks(runs) -> Runs:
    runs.together(4, whole_runs(runs, 4))
    return runs


def assert_same(mine: Path, other: Path) -> None:
    """One training, up to the rounding of float32 sums."""
    curve, expected = read_summary(mine).curve, read_summary(other).curve
    assert curve.columns == expected.columns
    assert curve["tokens"].to_list() == expected["tokens"].to_list()
    for name in curve.columns:
        if name != "reward_accuracy":  # jumps where a margin is zero, as all are at first
            assert curve[name].to_list() == pytest.approx(expected[name].to_list(), abs=1e-5), name
    weights, wanted = (load_file(folder / "model" / "model.safetensors") for folder in (mine, other))
    assert weights.keys() == wanted.keys()
    assert max((weights[name] - wanted[name]).abs().max().item() for name in wanted) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_neither_ranks_nor_accumulation_change_a_training(request, runs, ranks, stage, accumulation):
    expected = runs.alone(stage, STAGES[stage])
    assert read_summary(expected).curve["loss"].n_unique() > 10
    if ranks == 1:
        split_run = runs.alone(stage, split(STAGES[stage], ranks=1, accumulation=accumulation))
    else:
        request.getfixturevalue({2: "two_ranks", 4: "four_ranks"}[ranks])
        split_run = runs.folder / f"{ranks}-{stage}-{accumulation}"
    assert_same(split_run, expected)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["", "-saving"])
@pytest.mark.parametrize("stage", SHARDED)
def test_nor_does_sharding(two_ranks, stage, how):
    assert_same(two_ranks.folder / f"sharded-{stage}{how}", two_ranks.alone(stage, STAGES[stage]))


@pytest.mark.slow
@pytest.mark.parametrize("stage", SHARDED)
def test_a_sharded_training_that_was_killed_goes_on_as_if_it_had_not_been(two_ranks, stage):
    undisturbed, resumed = (two_ranks.folder / f"sharded-{stage}{how}" for how in ("", "-resumed"))
    assert read_summary(resumed).curve.equals(read_summary(undisturbed).curve)
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (undisturbed, resumed)]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_a_sharded_state_says_so_where_it_does_not_fit(two_ranks):
    states = two_ranks.folder / "sharded-sft" / "states"
    assert last_whole_state(states, sharded=True) is not None
    with pytest.raises(TrainingError, match=r"saved with sharding; go on with parallel\.sharding fsdp, or delete"):
        last_whole_state(states)
