"""MCTS decoding: a checkpoint searches for its answers, beside its plain samples at equal tokens (paper, Table 7).

The search is the one that grows the training trees (`marco_dag.search`), with the checkpoint as generator and critic.
It is handed the questions without their references, so that nothing in it could know what is right; only what it has
finished is checked. One row a question, method and N is kept; `marco_dag.evaluation.decoding_summary` sums up.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from marco_dag.engines.protocol import Engine
from marco_dag.errors import EvaluationError
from marco_dag.evaluation.answers import answer_benchmarks
from marco_dag.evaluation.benchmarks import Procedure
from marco_dag.evaluation.blind_search import finished_chains, search_without_references
from marco_dag.evaluation.config import EvaluationConfig, MctsDecodingConfig
from marco_dag.evaluation.repeats import solved_at
from marco_dag.schemas import BENCHMARK_QUESTIONS, conform
from marco_dag.search import Forest, SearchConfig
from marco_dag.tasks import TASKS
from marco_dag.tasks.voting import elect, stated_answer

_SAMPLES_FILE = "samples.parquet"


def questions_to_decode(held_out: pl.DataFrame, published: pl.DataFrame, config: EvaluationConfig) -> pl.DataFrame:
    """The questions (schemas.BENCHMARK_QUESTIONS) that `config.mcts_decoding` asks for; held-out ones by their tasks.

    EvaluationError where a benchmark was not read yet, or one of its questions has several turns.
    """
    decoding = config.mcts_decoding
    first = held_out.filter(pl.int_range(pl.len()).over("task") < decoding.held_out_per_task)
    rows = [
        {
            "question_id": row["seed_id"],
            "benchmark": row["task"],
            "task": row["task"],
            "question": row["prompt"],
            "prompts": json.dumps([row["prompt"]]),
            "reference": f"[{row['reference']}]",
            "source": row["source"],
        }
        for row in first.iter_rows(named=True)
    ]
    asked = [pl.DataFrame(rows, schema=BENCHMARK_QUESTIONS)]
    for name in decoding.benchmarks:
        questions = published.filter(benchmark=name)
        if questions.is_empty():
            raise EvaluationError(f"benchmark {name}: its questions were not read yet; materialize benchmark_questions")
        turns = questions["prompts"].map_elements(lambda prompts: len(json.loads(prompts)), return_dtype=pl.Int64)
        if (turns != 1).any():
            raise EvaluationError(f"benchmark {name}: has several turns; mcts_decoding decodes questions of one turn")
        asked.append(conform(questions, "benchmark_questions"))
    return pl.concat(asked)


def decode(
    engine: Engine,
    questions: pl.DataFrame,
    config: EvaluationConfig,
    search: SearchConfig,
    *,
    checkpoint: str,
    checkpoint_digest: str,
    seed: int,
    folder: Path,
) -> pl.DataFrame:
    """Answer `questions` (`questions_to_decode`) by sampling and by search; returns schemas.MCTS_DECODING.

    max(tries) responses to each question are sampled, as it is asked for its score. Then for each N each question is
    searched by `search` as `config.mcts_decoding` changes it, with `engine` in both roles, and as many tokens as N
    responses to it take on average. Rows stand by N, search before sampling, then by question. Responses and trees are
    left in `folder`, where a killed call goes on.
    Errors as `answer_benchmarks` and `search_into`; no questions give an empty table.
    """
    decoding = config.mcts_decoding
    if questions.is_empty():
        return conform(pl.DataFrame(), "mcts_decoding")
    folder.mkdir(parents=True, exist_ok=True)
    responses = _sample(engine, questions, config, checkpoint, checkpoint_digest, seed, folder / _SAMPLES_FILE)
    means = responses.group_by("question_id").agg(pl.col("tokens").mean()).iter_rows()
    tokens_per_try = {question: float(decoding.tokens_per_try or mean) for question, mean in means}
    own = decoding.search_config(search)
    rows: list[dict[str, object]] = []
    for tries in decoding.tries:
        place = folder / f"search-{tries}"
        grown = search_without_references(place, engine, questions, own, tries, tokens_per_try, seed=seed)
        rows += [{"method": "mcts", "tries": tries, **row} for row in _searched(grown, questions, decoding)]
        rows += [{"method": "sampling", "tries": tries, **row} for row in _sampled(responses, questions, tries)]
    who = {"checkpoint": checkpoint, "checkpoint_digest": checkpoint_digest}
    return conform(pl.DataFrame([{**who, **row} for row in rows], infer_schema_length=None), "mcts_decoding")


def _sample(
    engine: Engine,
    questions: pl.DataFrame,
    config: EvaluationConfig,
    checkpoint: str,
    checkpoint_digest: str,
    seed: int,
    file: Path,
) -> pl.DataFrame:
    """The sampled responses (schemas.SCORES): the first of them are those that the question's score counts."""
    if file.exists():
        return pl.read_parquet(file)
    held_out = Procedure(temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens)
    procedures = {
        name: replace(
            config.benchmarks[name].procedure(name) if name in config.benchmarks else held_out,
            greedy=False,
            samples=config.mcts_decoding.tries[-1],
        )
        for name in questions["benchmark"].unique()
    }
    responses = answer_benchmarks(
        engine, questions, procedures, checkpoint=checkpoint, checkpoint_digest=checkpoint_digest, seed=seed
    )
    partial = file.with_suffix(".partial")
    responses.write_parquet(partial)
    partial.rename(file)
    return responses


def _searched(grown: Forest, questions: pl.DataFrame, config: MctsDecodingConfig) -> Iterator[dict[str, object]]:
    """What the trees of each question found, checked now that they have ended."""
    question_of = dict(grown.trees.select("tree_id", "seed_id").iter_rows())
    chains: dict[str, list[tuple[str, float]]] = {}
    for tree_id, chain, reward in finished_chains(grown.thoughts):
        chains.setdefault(question_of[tree_id], []).append((chain, reward))
    ends = grown.trees.group_by("seed_id").agg(pl.col("tokens").sum(), pl.col("stop_reason").last())
    spent = {question: (tokens, reason) for question, tokens, reason in ends.iter_rows()}
    for question in questions.iter_rows(named=True):
        found = chains.get(question["question_id"], [])
        texts = [chain for chain, _ in found]
        weights = None if config.scored_by == "vote" else [reward for _, reward in found]
        correct = _check(texts, question)
        tokens, reason = spent[question["question_id"]]
        yield {
            **_named(question),
            "answers": len(found),
            "tokens": float(tokens),
            "solved": float(any(correct)),
            **_chosen(texts, correct, weights, question),
            "stop_reason": reason,
        }


def _sampled(responses: pl.DataFrame, questions: pl.DataFrame, tries: int) -> Iterator[dict[str, object]]:
    """What `tries` responses to each question find: any `tries` of them solve it, the first ones choose."""
    by_question = responses.sort("sample").partition_by("question_id", as_dict=True)
    for question in questions.iter_rows(named=True):
        own = by_question[(question["question_id"],)]
        correct = own["correct"].to_list()
        first = own["response"].head(tries).to_list()
        yield {
            **_named(question),
            "answers": tries,
            "tokens": tries * own["tokens"].to_numpy().mean(),
            "solved": solved_at(tries, len(correct), sum(correct)),
            **_chosen(first, correct, None, question),
            "stop_reason": None,
        }


def _named(question: Mapping[str, str]) -> dict[str, object]:
    return {"benchmark": question["benchmark"], "question_id": question["question_id"]}


def _check(responses: Sequence[str], question: Mapping[str, str]) -> list[bool]:
    task, [reference] = TASKS[question["task"]], json.loads(question["reference"])
    return [task.verify(response, reference).outcome == "correct" for response in responses]


def _chosen(
    responses: Sequence[str], correct: Sequence[bool], weights: Sequence[float] | None, question: Mapping[str, str]
) -> dict[str, object]:
    """The answer that would be given: chosen by votes alone, judged by `correct`."""
    task = TASKS[question["task"]]
    answers = [stated_answer(task, response) for response in responses]
    place = elect(task, answers, weights)
    return {
        "chosen": None if place is None else answers[place],
        "chosen_correct": place is not None and correct[place],
    }
