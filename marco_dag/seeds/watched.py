"""The questions that a model is watched with while it trains: held out like the scored ones, and none of them."""

import polars as pl

from marco_dag.schemas import TABLES, conform
from marco_dag.seeds.config import SeedsConfig
from marco_dag.seeds.decontamination import Decontamination
from marco_dag.seeds.generated import held_out_questions


def watched_questions(config: SeedsConfig, count: int, scored: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    """At most `count` questions, the tasks in turn, that are neither trained on nor scored (`schemas.SEED_PROMPTS`).

    They are the held-out questions that come behind the `config.held_out_per_task` scored ones of each task, without
    those that stand in `scored` (QUESTION_TEXTS). A larger count begins with the questions of a smaller one. TaskError
    where a task has not so many.
    """
    if not count or not config.tasks:
        return TABLES["watched_questions"].to_frame()
    first, each = config.held_out_per_task, -(-count // len(config.tasks))
    held_out = held_out_questions(config.model_copy(update={"held_out_per_task": first + each}), seed=seed)
    turn = pl.int_range(pl.len()).over("task")
    in_turn = held_out.with_columns(turn=turn).filter(pl.col("turn") >= first).sort("turn", maintain_order=True)
    overlapping = Decontamination(scored, config.decontamination).overlaps(in_turn.drop("turn"))["seed"]
    return conform(in_turn.drop("turn").filter(~pl.int_range(pl.len()).is_in(overlapping)), "watched_questions").head(
        count
    )
