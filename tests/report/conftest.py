"""A run with made-up figures in the shape of the miniature's, for looking at pages and tables."""

import random
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from marco_dag import schemas
from marco_dag.evaluation import reflections, repetition, summarize
from marco_dag.profiles import load_profile
from marco_dag.thoughts import Thought, ThoughtKind, render_chain

TASKS = ("letters", "arithmetic", "blocksworld", "instructions")
# accuracy and no-answer rate when greedy, when sampled; mean tokens
RATES = {
    "base": ((0.38, 0.00), (0.18, 0.08), 48),
    "sft": ((0.52, 0.00), (0.42, 0.02), 53),
    "plain-dpo": ((0.30, 0.20), (0.20, 0.30), 110),
    "full": ((0.50, 0.00), (0.43, 0.01), 39),
    "control": ((0.51, 0.00), (0.44, 0.00), 40),
}
REFLECTIVE = (
    "<sub-task>count b in bab</sub-task><thinking>Wait, hmm, " + "alternatively b1 wait; " * 6 + "no</thinking>"
)


def chain(rng, steps, reflects=False):
    thoughts = [Thought(ThoughtKind.SUB_TASK, "count b in bobanu")]
    if reflects:
        thoughts += [
            Thought(ThoughtKind.THINKING, "b1o1b1a1n1u1"),
            Thought(ThoughtKind.ANSWER, "1"),
            Thought(ThoughtKind.REFLECTION, "not 1 redo step 3"),
        ]
    thoughts += [Thought(ThoughtKind.THINKING, "".join(f"{rng.choice('bonau')}{i}" for i in range(steps)))]
    return render_chain([*thoughts, Thought(ThoughtKind.ANSWER, "2")])


def response(rng, outcome, tokens):
    if outcome != "no_answer":
        return chain(rng, max(1, tokens // 8))
    return rng.choice(["<thinking>" + "b1o1b2a2" * 60, REFLECTIVE, "<sub-task>count b</sub-task><thinking>b1 <u>&"])


def made_up_scores(checkpoints, per_task):
    rng = random.Random(0)
    rows = []
    for name in checkpoints:
        greedy, sampled, mean = RATES[name]
        for decoding, (accuracy, no_answer) in (("greedy", greedy), ("sampled", sampled)):
            for task in TASKS:
                for i in range(per_task):
                    draw = rng.random()
                    missing = draw > 1 - no_answer
                    outcome = "correct" if draw < accuracy else "no_answer" if missing else "wrong"
                    tokens = 192 if missing else min(191, max(5, round(rng.gauss(mean, mean / 3))))
                    text = response(rng, outcome, tokens)
                    rows.append(
                        {
                            "checkpoint": name,
                            "checkpoint_digest": f"digest of {name}",
                            "benchmark": task,
                            "question_id": f"seed-{task}-{i}",
                            "decoding": decoding,
                            "sample": 0,
                            "turn": 1,
                            "correct": outcome == "correct",
                            "answered": not missing,
                            "clipped": missing,
                            "tokens": tokens,
                            "repetition": repetition(text),
                            "reflections": reflections(text),
                            "verdict": "no closed answer block" if missing else "2 as expected",
                            "answer": None if missing else "2",
                            "details": None,
                            "response": text,
                        }
                    )
    return schemas.conform(pl.DataFrame(rows), "scores")


def made_up_search(per_task):
    rng = random.Random(1)
    trees, chains = [], []
    for task in TASKS:
        for i in range(per_task):
            seed_id, tree_id = f"seed-{task}-train-{i}", f"tree-{task}-{i}"
            lengths = sorted({max(8, round(rng.gauss(50 + 10 * len(task), 14))) for _ in range(rng.randint(0, 6))})
            wrong = rng.randint(0, 6)
            trees.append(
                {
                    "tree_id": tree_id,
                    "seed_id": seed_id,
                    "task": task,
                    "batch": "generated",
                    "pattern": rng.choice("abcd"),
                    "strategy": "mcts",
                    "rollouts": 12,
                    "nodes": 40,
                    "correct": len(lengths),
                    "wrong": wrong,
                    "stop_reason": "enough correct" if len(lengths) > 3 else "rollouts spent",
                    "tokens": 700 + 10 * wrong,
                    "seconds": 1.5,
                }
            )
            for place, tokens in enumerate(lengths):
                last = place == len(lengths) - 1
                chains.append(
                    {
                        "chain_id": f"chain-{task}-{i}-{place}",
                        "tree_id": tree_id,
                        "leaf_id": f"node-{task}-{i}-{place}",
                        "seed_id": seed_id,
                        "text": chain(rng, tokens // 4, reflects=last and i % 5 == 0),
                        "tokens": tokens,
                        "correct": True,
                        "truncated": False,
                        "reflections": int(last and i % 5 == 0),
                        "length_rank": "shortest" if place == 0 else "longest" if last else "medium",
                        "batch": "generated",
                    }
                )
    return schemas.conform(pl.DataFrame(trees), "trees"), schemas.conform(pl.DataFrame(chains), "chains")


def made_up_pairs(chains):
    firsts = chains.filter(pl.col("length_rank").is_in(["shortest", "longest"]))
    rows = [
        {
            "pair_id": f"pair-{row['chain_id']}",
            "seed_id": row["seed_id"],
            "chosen_chain_id": row["chain_id"],
            "rejected_chain_id": "chain-wrong",
            "prompt": "How many b in bobanu?",
            "chosen": row["text"],
            "rejected": "<answer>3</answer>",
            "chosen_rank": row["length_rank"],
            "chosen_tokens": row["tokens"],
            "rejected_tokens": 44,
            "common_prefix_tokens": 6 * (place % 2),
            "label_smoothing": None,
            "batch": "generated",
        }
        for place, row in enumerate(firsts.iter_rows(named=True))
    ]
    return schemas.conform(pl.DataFrame(rows), "preference_pairs")


def made_up_curves():
    steps = np.arange(1, 47)
    decay = np.exp(-steps / 15)
    return {
        "sft": pl.DataFrame({"step": np.arange(1, 181), "loss": 0.25 + 0.9 * np.exp(-np.arange(180) / 40)}),
        "plain-dpo": pl.DataFrame({"step": steps, "loss": 0.1 + 0.6 * decay}),
        "full": pl.DataFrame(
            {"step": steps, "loss": 0.8 + decay, "dpo_loss": 0.5 + 0.2 * decay, "sft_loss": 0.3 + 0.8 * decay}
        ),
        "control": pl.DataFrame({"step": steps, "loss": 0.28 + 0.1 * decay}),
    }


def made_up_run(per_task=50, checkpoints=tuple(RATES)):
    """The keyword arguments of `write_report`, as attributes."""
    trees, chains = made_up_search(per_task)
    scores = made_up_scores(checkpoints, per_task)
    return SimpleNamespace(
        profile=load_profile("miniature"),
        scores=scores,
        summary=summarize(scores, 0.95),
        chains=chains,
        trees=trees,
        pairs=made_up_pairs(chains),
        curves=made_up_curves(),
    )


@pytest.fixture(scope="session")
def run():
    return made_up_run()


@pytest.fixture(scope="session")
def run_without_recipes():
    return made_up_run(per_task=10, checkpoints=("base", "sft"))


@pytest.fixture(scope="session")
def run_with_benchmarks(run):
    """The same run with a published benchmark asked greedily, one sampled four times, and one with instructions."""
    letters = run.scores.filter(benchmark="letters", decoding="sampled")
    details = pl.when(pl.col("correct")).then(pl.lit('{"language":"zh","loose":[true],"strict":[true]}'))
    details = details.otherwise(pl.lit('{"language":"hi","loose":[true,false],"strict":[false,false]}'))
    published = [
        letters.with_columns(benchmark=pl.lit("GSM8K"), decoding=pl.lit("greedy")),
        letters.with_columns(benchmark=pl.lit("IF <b>"), decoding=pl.lit("greedy"), details=details),
        *(letters.with_columns(benchmark=pl.lit("AIME"), sample=pl.lit(n, pl.Int64)) for n in range(4)),
    ]
    scores = pl.concat([run.scores, *published])
    return SimpleNamespace(**vars(run) | {"scores": scores, "summary": summarize(scores, 0.95)})
