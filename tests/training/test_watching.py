"""The dial on real runs: a collapse is stopped and undone, a healthy run is left as it is."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import polars as pl
import pytest
import torch

from marco_dag.errors import EvaluationError, TrainingError
from marco_dag.training import (
    LoraConfig,
    RecipeConfig,
    SftConfig,
    WatchConfig,
    read_summary,
    train_recipe,
    train_sft,
)

WATCH = WatchConfig(prompts=24, every_steps=4, max_tokens=40)
SFT = SftConfig(learning_rate=3e-3, epochs=8, batch_size=8, max_tokens=128, watch=WATCH)  # 40 chains: 40 steps
DPO = RecipeConfig(description="plain DPO", learning_rate=3e-2, epochs=8, batch_size=8, max_tokens=128, watch=WATCH)


def watch(config, **fields):
    return config.model_copy(update={"watch": WATCH.model_copy(update=fields)})


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


def kept(summary):
    [row] = summary.watch.filter("kept").iter_rows(named=True)
    return row


@pytest.fixture(scope="session")
def silent(make_cot, sums):
    """Chains that think and never answer: whoever learns them collapses."""
    return make_cot([(prompt, f"<thinking>{prompt}</thinking>") for prompt, _, _ in sums])


@pytest.fixture(scope="session")
def stopped(tmp_path_factory, answering, silent, watched):
    folder = tmp_path_factory.mktemp("stopped")
    return folder, train_sft(answering, silent, SFT, seed=1, folder=folder, watched=watched)


def test_a_collapse_is_stopped_within_tens_of_steps(stopped):
    _, summary = stopped
    assert 4 <= summary.steps <= 20 < 40
    assert summary.curve.height == summary.steps
    assert summary.watch["climbed"].to_list() == [False] * (summary.watch.height - 1) + [True]
    assert summary.watch["no_answer"][-1] > 0.4 > summary.watch["no_answer"][0]


def test_it_says_when_and_why_it_stopped(stopped):
    folder, summary = stopped
    last = summary.watch.row(-1, named=True)
    silent_answers = round(24 * last["no_answer"])
    assert summary.stopped.startswith(f"step {summary.steps} of 40: {silent_answers} of 24 watched questions got no")
    assert "Lower learning_rate" in summary.stopped

    read = read_summary(folder)
    assert read.stopped == summary.stopped
    assert read.watch.equals(summary.watch)


def test_the_weights_that_are_saved_are_those_of_the_best_look(tmp_path, answering, silent, watched):
    # While the learning rate is still small, looks are as good as the first: the later one is the better.
    slow = watch(SFT.model_copy(update={"warmup_share": 0.5}), every_steps=2)
    summary = train_sft(answering, silent, slow, seed=1, folder=tmp_path / "stopped", watched=watched)
    step = kept(summary)["step"]
    assert 0 < step < summary.steps < 40
    # The learning rate of a step depends on how many there are to be, so the run is cut off, not made shorter.
    unwatched = slow.model_copy(update={"watch": None})
    cut = run_until(step, answering, silent, unwatched, tmp_path / "cut")
    assert cut == weights(tmp_path / "stopped")
    assert cut != (answering / "model.safetensors").read_bytes()


def run_until(step, student, rows, config, folder):
    """The weights after `step` steps of a training that was cut off there."""
    from marco_dag.training.trainers import SupervisedTrainer

    log = SupervisedTrainer.log

    def log_and_stop(trainer, *arguments):
        log(trainer, *arguments)
        if trainer.state.global_step == step:
            trainer.control.should_training_stop = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SupervisedTrainer, "log", log_and_stop)
        train_sft(student, rows, config, seed=1, folder=folder)
    return weights(folder)


def test_plain_dpo_at_an_absurd_learning_rate_is_stopped_too(tmp_path, answering, pairs, watched):
    summary = train_recipe(answering, pairs, DPO, seed=0, folder=tmp_path, watched=watched)
    assert summary.steps < 40
    assert summary.stopped
    assert kept(summary)["no_answer"] < 0.2
    assert summary.watch["no_answer"][-1] > 0.5


def test_a_healthy_run_goes_to_its_end_and_gives_the_weights_it_would_give_unwatched(
    tmp_path, answering, cot_set, watched
):
    unwatched = SFT.model_copy(update={"watch": None})
    plain = train_sft(answering, cot_set, unwatched, seed=0, folder=tmp_path / "plain")
    summary = train_sft(answering, cot_set, SFT, seed=0, folder=tmp_path / "watched", watched=watched)
    assert summary.stopped is None
    assert summary.watch["step"].to_list() == list(range(0, 41, 4))
    assert not summary.watch["climbed"].any()
    assert kept(summary)["step"] == 40
    assert summary.curve.equals(plain.curve)
    assert weights(tmp_path / "plain") == weights(tmp_path / "watched")
    assert plain.watch is None
    assert sorted(path.name for path in (tmp_path / "watched").iterdir()) == [
        "curve.parquet", "model", "training.json", "watch.parquet",
    ]  # fmt: skip


@pytest.mark.parametrize("adapters", [False, True], ids=["all weights", "adapters with dropout"])
def test_looks_change_nothing_that_is_trained(tmp_path, answering, pairs, watched, adapters):
    """Not even through the random state that dropout draws from, nor through evaluation mode, nor in a collapse."""
    lora = {"lora": LoraConfig(rank=4, dropout=0.3)} if adapters else {}
    looking = watch(DPO.model_copy(update=lora), action="none", keep="last", every_steps=3)
    blind = DPO.model_copy(update={**lora, "watch": None})
    first = train_recipe(answering, pairs, blind, seed=0, folder=tmp_path / "blind")
    second = train_recipe(answering, pairs, looking, seed=0, folder=tmp_path / "looking", watched=watched)
    assert second.curve.equals(first.curve)
    assert weights(tmp_path / "blind") == weights(tmp_path / "looking")
    assert second.watch["step"].to_list() == [*range(0, 40, 3), 40]


def test_lower_lowers_the_learning_rate_and_trains_to_the_end(tmp_path, answering, silent, watched):
    free = train_sft(
        answering, silent, watch(SFT, action="none"), seed=1, folder=tmp_path / "free", watched=watched
    )  # fmt: skip
    lowered = train_sft(
        answering, silent, watch(SFT, action="lower", factor=0.25), seed=1, folder=tmp_path / "low", watched=watched
    )
    assert lowered.steps == 40
    assert lowered.stopped is None
    at = lowered.watch.filter("climbed")["step"][0]
    scales = dict(lowered.watch.select("step", "learning_rate_scale").iter_rows())
    assert scales[at] == 0.25
    for step, was, now in zip(
        free.curve["step"], free.curve["learning_rate"], lowered.curve["learning_rate"], strict=True
    ):
        in_force = scales[(step - 1) // 4 * 4]  # that of the last look before the step
        assert now == pytest.approx(was * in_force, rel=1e-9), step
    # Both end in the collapse, so both keep what was best before it.
    assert kept(lowered) == kept(free) | {"learning_rate_scale": 1.0}
    assert weights(tmp_path / "low") == weights(tmp_path / "free")


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16], ids=str)
def test_adapters_are_watched_and_taken_back(tmp_path, answering, tokenizer, silent, watched, stored):
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(answering).to(stored).save_pretrained(tmp_path / "student")
    tokenizer.save_pretrained(tmp_path / "student")
    config = SFT.model_copy(
        update={"lora": LoraConfig(rank=8, alpha=32), "learning_rate": 3e-2, "bf16": stored == torch.bfloat16}
    )
    config = watch(config, every_steps=2)
    summary = train_sft(tmp_path / "student", silent, config, seed=1, folder=tmp_path / "run", watched=watched)
    assert summary.stopped
    before = AutoModelForCausalLM.from_pretrained(tmp_path / "student").state_dict()
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model").state_dict()
    moved = max((after[name] - before[name]).abs().max().item() for name in before)
    assert (moved > 0) == (kept(summary)["step"] > 0)
    assert moved < 0.2


def test_the_bar_shows_the_rate(stopped, tmp_path, answering, silent, watched, capsys):
    train_sft(answering, silent, SFT, seed=1, folder=tmp_path, watched=watched)
    assert "no_answer=" in capsys.readouterr().err


def test_without_questions_there_is_nothing_to_watch(tmp_path, answering, silent, watched):
    for questions in (None, watched.clear()):
        with pytest.raises(TrainingError, match="watch: there is no question to watch; give some"):
            train_sft(answering, silent, SFT, seed=1, folder=tmp_path / "a", watched=questions)
    bad = watched.with_columns(reference=pl.lit("{}"))
    with pytest.raises(EvaluationError, match="question watched-50: answer: must be an integer"):
        train_sft(answering, silent, SFT, seed=1, folder=tmp_path / "b", watched=bad)


def test_questions_that_do_not_fit_the_model_stop_training_before_it_begins(tmp_path, answering, silent, watched):
    long = watched.with_columns(prompt=pl.lit("1" * 300))
    with pytest.raises(TrainingError, match=r"step 0: the watched questions could not be answered: a prompt of 302"):
        train_sft(answering, silent, SFT, seed=1, folder=tmp_path, watched=long)


def test_only_the_first_questions_are_asked_and_others_make_another_training(tmp_path, answering, silent, watched):
    sixteen = watch(SFT, prompts=16)
    summary = train_sft(answering, silent, sixteen, seed=1, folder=tmp_path, watched=watched)
    assert summary.watch["questions"].unique().to_list() == [16]
    again = train_sft(answering, silent, sixteen, seed=1, folder=tmp_path, watched=watched.head(16))
    assert again.watch.equals(summary.watch)
    with pytest.raises(TrainingError, match="a training with other watched"):
        train_sft(answering, silent, sixteen, seed=1, folder=tmp_path, watched=watched.reverse())


def test_a_notebook_that_runs_an_event_loop_can_train(tmp_path, answering, silent, watched, stopped):
    import asyncio

    async def cell():
        return train_sft(answering, silent, SFT, seed=1, folder=tmp_path, watched=watched)

    assert asyncio.run(cell()).watch.equals(stopped[1].watch)


RESUMED = {
    "stop": SFT.model_copy(update={"checkpoint_every": 3}),
    "lower": watch(SFT.model_copy(update={"checkpoint_every": 3}), action="lower", factor=0.7),
}


@pytest.mark.parametrize("action", RESUMED)
def test_a_run_that_broke_off_decides_as_an_undisturbed_one(tmp_path, answering, silent, watched, action, monkeypatch):
    """Broken off at every step up to the collapse and behind it, again and again."""
    from marco_dag.training.trainers import SupervisedTrainer

    config = RESUMED[action]
    expected = train_sft(answering, silent, config, seed=1, folder=tmp_path / "undisturbed", watched=watched)
    assert expected.watch["climbed"].any()

    log, reached = SupervisedTrainer.log, [0]

    def break_off(trainer, *arguments):
        log(trainer, *arguments)
        if trainer.state.global_step > reached[0] + 2:
            reached[0] = trainer.state.global_step
            raise KeyboardInterrupt

    monkeypatch.setattr(SupervisedTrainer, "log", break_off)
    while True:
        try:
            found = train_sft(answering, silent, config, seed=1, folder=tmp_path / "broken", watched=watched)
        except KeyboardInterrupt:
            states = tmp_path / "broken" / "states"
            assert len(list(states.glob("kept-*.safetensors"))) <= 4
            continue
        break
    assert reached[0] >= 6
    assert found.curve.equals(expected.curve)
    assert found.watch.equals(expected.watch)
    assert (found.stopped, found.steps) == (expected.stopped, expected.steps)
    assert weights(tmp_path / "broken") == weights(tmp_path / "undisturbed")


TRAIN = """
import sys
from pathlib import Path
import polars as pl
from marco_dag.training import SftConfig, train_sft
student, rows, watched, config, folder = sys.argv[1:]
config = SftConfig.model_validate_json(config)
train_sft(Path(student), pl.read_parquet(rows), config, seed=1, folder=Path(folder), watched=pl.read_parquet(watched))
"""


@pytest.mark.slow
def test_a_killed_run_keeps_the_same_look(tmp_path, answering, silent, watched):
    config = watch(SFT.model_copy(update={"checkpoint_every": 3}), action="none")
    expected = train_sft(answering, silent, config, seed=1, folder=tmp_path / "undisturbed", watched=watched)
    silent.write_parquet(tmp_path / "rows.parquet")
    watched.write_parquet(tmp_path / "watched.parquet")
    arguments = [answering, tmp_path / "rows.parquet", tmp_path / "watched.parquet", config.model_dump_json()]
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, *arguments, tmp_path / "killed"],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (tmp_path / "killed" / "states" / "checkpoint-9" / "trainer_state.json").exists():
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    resumed = train_sft(answering, silent, config, seed=1, folder=tmp_path / "killed", watched=watched)
    assert resumed.watch.equals(expected.watch)
    assert resumed.curve.equals(expected.curve)
    assert weights(tmp_path / "killed") == weights(tmp_path / "undisturbed")


LOOK = """
import json, sys
from pathlib import Path
import polars as pl
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerControl, TrainerState, TrainingArguments
from marco_dag.training import WatchConfig
from marco_dag.training.watching import Watch
student, watched, folder = sys.argv[1:]
args = TrainingArguments(folder, use_cpu=True, ddp_backend="gloo", report_to="none")
state = TrainerState(max_steps=40, is_world_process_zero=args.process_index == 0)
config = WatchConfig(prompts=24, max_tokens=40)
tokenizer = AutoTokenizer.from_pretrained(student)
watch = Watch(config, pl.read_parquet(watched), tokenizer, seed=1, states=Path(folder))
model = AutoModelForCausalLM.from_pretrained(student)
watch.on_train_begin(args, state, TrainerControl(), model=model, optimizer=None, lr_scheduler=None)
print(json.dumps(state.log_history))
"""


@pytest.mark.slow
def test_the_processes_of_a_parallel_run_share_the_questions_and_see_the_same(tmp_path, answering, watched, stopped):
    watched.write_parquet(tmp_path / "watched.parquet")
    for rank in range(2):
        (tmp_path / f"rank-{rank}").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LOOK, answering, tmp_path / "watched.parquet", tmp_path / f"rank-{rank}"],
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert told[0] == told[1]
    alone = stopped[1].watch.row(0, named=True)
    [look] = json.loads(told[0])
    assert look["questions"] == alone["questions"] == 24
    assert look["no_answer"] == round(24 * alone["no_answer"])
    assert look["correct"] == round(24 * alone["accuracy"])
    assert [len(list((tmp_path / f"rank-{rank}").glob("kept-0.safetensors"))) for rank in range(2)] == [1, 0]
