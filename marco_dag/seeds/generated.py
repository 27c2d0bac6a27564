"""Questions that the tasks make up themselves: the training batch `generated`, and the held-out questions."""

import polars as pl

from marco_dag.schemas import conform
from marco_dag.seeds.config import SeedsConfig
from marco_dag.seeds.rows import seed_row
from marco_dag.tasks import Split, generate_questions, get_generating_task

GENERATED = "generated"
"""The batch, and the source, of questions that come from no file."""


def generated_seeds(config: SeedsConfig, *, seed: int, batch: str) -> pl.DataFrame:
    """`config.generated_per_task` distinct training questions of every task, task by task (`schemas.SEED_PROMPTS`)."""
    return conform(_questions(config, config.generated_per_task, "train", seed, batch), "seed_prompts")


def held_out_questions(config: SeedsConfig, *, seed: int) -> pl.DataFrame:
    """`config.held_out_per_task` distinct questions of every task that no training set may hold.

    Which prompts are held out is decided by a hash of the prompt, so this table and any training batch are disjoint.
    """
    return conform(_questions(config, config.held_out_per_task, "held_out", seed, GENERATED), "held_out_questions")


def _questions(config: SeedsConfig, count: int, split: Split, seed: int, batch: str) -> pl.DataFrame:
    return pl.DataFrame(
        [
            seed_row(task, question, source=GENERATED, split=split, batch=batch)
            for task in config.tasks
            for question in generate_questions(
                get_generating_task(task), count, split=split, share=config.held_out_share, seed=seed
            )
        ]
    )
