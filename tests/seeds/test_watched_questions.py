"""The questions that training is watched with: never trained on, never scored, the same for the same profile."""

import json

import polars as pl
import pytest

from marco_dag.errors import TaskError
from marco_dag.profiles import load_profile
from marco_dag.schemas import SEED_PROMPTS, TABLES
from marco_dag.seeds import SeedsConfig, generated_seeds, held_out_questions, question_texts, watched_questions
from marco_dag.tasks import TASKS, is_held_out

CONFIG = SeedsConfig(generated_per_task=30, held_out_per_task=30)
NONE_PUBLISHED = TABLES["benchmark_questions"].to_frame()


def scored(config=CONFIG, published=NONE_PUBLISHED):
    return question_texts(held_out_questions(config, seed=0), published)


def test_none_is_scored_and_none_is_trained_on():
    for config, count in ((CONFIG, 40), (load_profile("miniature").seeds, load_profile("miniature").watched_prompts)):
        watched = watched_questions(config, count, scored(config), seed=0)
        assert watched.height == count > 0
        assert not set(watched["seed_id"]) & set(held_out_questions(config, seed=0)["seed_id"])
        assert not set(watched["prompt"]) & set(held_out_questions(config, seed=0)["prompt"])
        assert not set(watched["prompt"]) & set(generated_seeds(config, seed=0, batch="generated")["prompt"])
        assert all(is_held_out(prompt, config.held_out_share) for prompt in watched["prompt"])
        assert watched["prompt"].is_unique().all()
        for task, reference in watched.select("task", "reference").rows():
            TASKS[task].check_reference(json.loads(reference))


def test_they_change_nothing_of_what_is_scored():
    """Scores of runs that are watched with other counts stay comparable."""
    before = held_out_questions(CONFIG, seed=0)
    watched_questions(CONFIG, 200, scored(), seed=0)
    assert held_out_questions(CONFIG, seed=0).equals(before)


def test_every_task_has_its_share_and_a_smaller_count_is_the_beginning_of_a_larger():
    watched = watched_questions(CONFIG, 10, scored(), seed=0)
    assert watched.schema == SEED_PROMPTS
    assert watched["task"].to_list() == [*CONFIG.tasks, *CONFIG.tasks, *CONFIG.tasks][:10]
    assert watched_questions(CONFIG, 23, scored(), seed=0).head(10).equals(watched)
    assert not watched_questions(CONFIG, 10, scored(), seed=1).equals(watched)


def test_a_question_that_a_published_benchmark_asks_is_left_out():
    watched = watched_questions(CONFIG, 40, scored(), seed=0)
    asked = pl.DataFrame(
        [
            dict.fromkeys(TABLES["benchmark_questions"])
            | {"benchmark": "B", "question_id": "q", "task": row["task"], "question": row["prompt"].upper()}
            | {"prompts": json.dumps([row["prompt"]]), "reference": "[]"}
            for row in watched.head(4).iter_rows(named=True)
            if row["task"] != "letters"  # upper case is another question there
        ],
        schema=TABLES["benchmark_questions"],
    )
    assert asked.height == 3
    left = watched_questions(CONFIG, 40, scored(published=asked), seed=0)
    assert left.height == 37
    assert set(watched["prompt"]) - set(left["prompt"]) == set(watched["prompt"][1:4])


def test_none_wanted_or_no_task_is_an_empty_table():
    assert watched_questions(CONFIG, 0, scored(), seed=0).equals(SEED_PROMPTS.to_frame())
    no_tasks = CONFIG.model_copy(update={"tasks": ()})
    assert watched_questions(no_tasks, 40, scored(), seed=0).equals(SEED_PROMPTS.to_frame())


def test_a_task_that_has_not_so_many_is_named():
    greedy = CONFIG.model_copy(update={"tasks": ("arithmetic",)})
    with pytest.raises(TaskError, match="arithmetic"):
        watched_questions(greedy, 10_000, scored(), seed=0)


def test_a_profile_wants_as_many_as_its_hungriest_stage():
    profile = load_profile("miniature")
    assert profile.watched_prompts == 96
    unwatched = {name: recipe.model_copy(update={"watch": None}) for name, recipe in profile.recipes.items()}
    assert profile.model_copy(update={"recipes": unwatched}).watched_prompts == 96
    sft = profile.sft.model_copy(update={"watch": None})
    assert profile.model_copy(update={"recipes": unwatched, "sft": sft}).watched_prompts == 0
