"""Tree search at test time: questions are searched without their references, until the tokens that they get are spent.

What a tree knows of its answers it has from the answers themselves (`marco_dag.search.appraisal`): the references are
taken away here, before the search is called, and its tasks can check nothing.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from marco_dag.engines.protocol import Engine, RoleEngines
from marco_dag.identity import derive_seed
from marco_dag.schemas import conform
from marco_dag.search import THOUGHTS_FILE, TREES_FILE, Forest, SelfScoredConfig, search_into
from marco_dag.tasks import TASKS
from marco_dag.tasks.protocol import Task
from marco_dag.tasks.voting import Blind
from marco_dag.thoughts import Thought, ThoughtKind

_BLIND: Mapping[str, Task] = {name: Blind(task) for name, task in TASKS.items()}


def search_without_references(
    folder: Path,
    engine: Engine,
    questions: pl.DataFrame,
    config: SelfScoredConfig,
    tries: int,
    tokens_per_try: Mapping[str, float],
    *,
    seed: int,
) -> Forest:
    """Search questions whose references are taken away first, each until `tries` · `tokens_per_try` tokens are spent.

    A tree that can grow no more leaves what it did not spend to a further tree, while that is a try or more; the last
    step of a tree may go over its tokens. Returns all trees, one round after the other.
    """
    left = {question: tries * tokens for question, tokens in tokens_per_try.items()}
    seeds = _without_references(questions)
    roles: RoleEngines = {"generator": engine, "critic": engine}
    grown: list[Forest] = []
    while not seeds.is_empty():
        place = folder / str(len(grown))
        budgets = {question: max(1, round(left[question])) for question in seeds["seed_id"]}
        own_seed = derive_seed(seed, "decoding", tries, len(grown))
        search_into(place, seeds, roles, config, seed=own_seed, tasks=_BLIND, budgets=budgets)
        trees = pl.read_parquet(place / TREES_FILE)
        grown.append(Forest(trees, pl.read_parquet(place / THOUGHTS_FILE)))
        for question, tokens in trees.select("seed_id", "tokens").iter_rows():
            left[question] -= tokens
        ended = trees.filter(stop_reason="exhausted")["seed_id"]
        worthwhile = [question for question in ended if left[question] >= tokens_per_try[question]]
        seeds = seeds.filter(pl.col("seed_id").is_in(worthwhile))
    return Forest(pl.concat([each.trees for each in grown]), pl.concat([each.thoughts for each in grown]))


def _without_references(questions: pl.DataFrame) -> pl.DataFrame:
    """Questions of one turn as seeds (schemas.SEED_PROMPTS) for `Blind` tasks."""
    seeds = questions.select(
        "task",
        "source",
        seed_id="question_id",
        prompt=pl.col("prompts").map_elements(lambda prompts: json.loads(prompts)[0], return_dtype=pl.String),
        reference=pl.lit("{}"),
        split=pl.lit("held_out"),
        batch="benchmark",
    )
    return conform(seeds, "seed_prompts")


def finished_chains(thoughts: pl.DataFrame) -> Iterator[tuple[str, str, float]]:
    """Tree id, text and reward of every chain that came to an answer, in the order in which they were finished.

    `thoughts`: schemas.THOUGHTS, where a parent stands before its children.
    """
    texts: dict[str | None, str] = {None: ""}
    for row in thoughts.iter_rows(named=True):
        texts[row["node_id"]] = texts[row["parent_id"]] + Thought(ThoughtKind(row["kind"]), row["text"]).render()
        if row["is_answer"] and row["reward"] is not None:
            yield row["tree_id"], texts[row["node_id"]], row["reward"]
