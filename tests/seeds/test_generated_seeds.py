"""Generated questions: distinct, disjoint from the held-out ones, the same for the same seed."""

import json

import pytest

from marco_dag.errors import TaskError
from marco_dag.schemas import SEED_PROMPTS
from marco_dag.seeds import SeedsConfig, generated_seeds, held_out_questions
from marco_dag.tasks import TASKS, is_held_out

CONFIG = SeedsConfig(generated_per_task=30, held_out_per_task=30)


def test_every_task_gives_the_asked_number_of_distinct_training_questions():
    seeds = generated_seeds(CONFIG, seed=0, batch="generated")
    assert seeds.schema == SEED_PROMPTS
    assert dict(seeds["task"].value_counts().rows()) == dict.fromkeys(CONFIG.tasks, 30)
    assert seeds.select("task", "prompt").is_unique().all()
    assert seeds["seed_id"].is_unique().all()
    assert set(seeds.select("source", "split", "batch").rows()) == {("generated", "train", "generated")}


def test_every_reference_is_one_its_task_can_verify_against():
    for task, reference in generated_seeds(CONFIG, seed=0, batch="generated").select("task", "reference").rows():
        TASKS[task].check_reference(json.loads(reference))


def test_no_training_prompt_of_any_seed_is_held_out():
    held_out = set(held_out_questions(CONFIG, seed=0)["prompt"])
    for seed in range(3):
        prompts = generated_seeds(CONFIG, seed=seed, batch="generated")["prompt"]
        assert not held_out & set(prompts)
        assert not any(is_held_out(prompt, CONFIG.held_out_share) for prompt in prompts)


def test_the_seed_decides_the_questions():
    assert generated_seeds(CONFIG, seed=1, batch="b").equals(generated_seeds(CONFIG, seed=1, batch="b"))
    assert not generated_seeds(CONFIG, seed=1, batch="b").equals(generated_seeds(CONFIG, seed=2, batch="b"))


def test_no_questions_asked_for_is_an_empty_table():
    seeds = generated_seeds(CONFIG.model_copy(update={"generated_per_task": 0}), seed=0, batch="generated")
    assert seeds.is_empty()
    assert seeds.schema == SEED_PROMPTS


def test_more_questions_than_a_task_has_is_an_error_that_names_the_task():
    greedy = CONFIG.model_copy(update={"tasks": ("arithmetic",), "generated_per_task": 10_000})
    with pytest.raises(TaskError, match="arithmetic"):
        generated_seeds(greedy, seed=0, batch="generated")
