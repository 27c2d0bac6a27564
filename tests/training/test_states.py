"""Which state a killed run goes on from, and whose it is."""

import json

import pytest

from marco_dag.errors import TrainingError
from marco_dag.training.states import claim_states, drop_states, last_whole_state

FILES = ("optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def write_state(states, step, *, without=(), trainer_state="{}"):
    folder = states / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in FILES:
        if name not in without:
            (folder / name).write_text(trainer_state)
    return folder


def test_the_newest_by_number_not_by_name(tmp_path):
    write_state(tmp_path, 9)
    newest = write_state(tmp_path, 10)
    assert last_whole_state(tmp_path) == newest


@pytest.mark.parametrize("missing", FILES)
def test_a_state_whose_writing_was_cut_off_is_passed_over(tmp_path, missing):
    whole = write_state(tmp_path, 10)
    write_state(tmp_path, 20, without=(missing,))
    assert last_whole_state(tmp_path) == whole


def test_so_is_one_that_was_cut_off_in_its_last_file(tmp_path):
    write_state(tmp_path, 20, trainer_state='{"global_step": 2')
    assert last_whole_state(tmp_path) is None


def test_a_folder_belongs_to_the_training_that_claimed_it(tmp_path):
    states = claim_states(tmp_path, {"seed": 1, "config": {"epochs": 2}})
    write_state(states, 10)
    assert claim_states(tmp_path, {"config": {"epochs": 2}, "seed": 1}) == states
    with pytest.raises(TrainingError, match=r"other seed; use another folder, or delete this one"):
        claim_states(tmp_path, {"seed": 2, "config": {"epochs": 2}})
    assert last_whole_state(states) is not None


def test_a_claim_that_was_cut_off_is_made_again(tmp_path):
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "arguments.json.partial").write_text('{"se')
    states = claim_states(tmp_path, {"seed": 1})
    assert json.loads((states / "arguments.json").read_text()) == {"seed": 1}


def test_states_are_dropped_when_all_is_done(tmp_path):
    write_state(claim_states(tmp_path, {"seed": 1}), 10)
    drop_states(tmp_path)
    assert list(tmp_path.iterdir()) == []
