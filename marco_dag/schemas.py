"""The Polars schema of every table: the contract between the stages.

Ids are content hashes (`marco_dag.identity`). A table is written with exactly these columns, in this order.
"""

import hashlib
from typing import TypeVar

import polars as pl

SEED_BATCHES = pl.Schema(
    {
        "batch": pl.String,  # partition key
        "source": pl.String,  # "generated", the source's name, or the seeds file's name when it was taken in
        "digest": pl.String,  # SHA-256 of the file; null for generated questions
        "bytes": pl.Int64,  # size of the file; null for generated questions
    }
)

SEED_PROMPTS = pl.Schema(
    {
        "seed_id": pl.String,  # content_id("seed", task, prompt, reference)
        "task": pl.String,  # name of a registered task
        "prompt": pl.String,
        "reference": pl.String,  # canonical JSON, what the task's verifier needs
        "source": pl.String,  # "generated", the name of the profile's source, or the seeds file's name
        "split": pl.String,  # "train" or "held_out"
        "batch": pl.String,  # partition key
    }
)

SEED_QUARANTINE = pl.Schema(
    {
        "batch": pl.String,
        "file": pl.String,
        "line": pl.Int64,  # 1-based line (JSONL) or row (Parquet); null when the whole file is meant
        "field": pl.String,  # null when no single field is to blame
        "reason": pl.String,
        "raw": pl.String,  # the row as it stood, cut at 2,000 characters
    }
)

SEED_OVERLAPS = pl.Schema(
    {
        "batch": pl.String,
        "seed_id": pl.String,  # the id that the row would have had
        "task": pl.String,
        "file": pl.String,
        "line": pl.Int64,  # as in the quarantine
        "prompt": pl.String,
        "benchmark": pl.String,
        "question_id": pl.String,
        "question": pl.String,
        "match": pl.String,  # "equal", or "n-gram": a run of words
        "words": pl.Int64,  # length of what both share, in words
        "overlap": pl.String,  # the words that both share, in lower case and without punctuation
    }
)

SEED_DIFFICULTY = pl.Schema(
    {
        "batch": pl.String,
        "seed_id": pl.String,
        "samples": pl.Int64,  # responses of the base student; 0 where it could not be asked
        "correct": pl.Int64,
        "no_answer": pl.Int64,  # responses that state none
        "pass_rate": pl.Float64,  # correct / samples; null without samples
    }
)

BENCHMARK_QUESTIONS = pl.Schema(
    {
        "question_id": pl.String,  # content_id("question", benchmark, key, prompts, reference)
        "benchmark": pl.String,  # the name in the profile
        "task": pl.String,  # name of the registered task that checks the answers
        "key": pl.String,  # the row's own id; null where it has none
        "language": pl.String,  # ISO 639-1; null where the benchmark has one language only
        "question": pl.String,  # the benchmark's own words, without the prompt around them; turns apart by a blank line
        "prompts": pl.String,  # JSON list: what the user says, turn by turn
        "reference": pl.String,  # JSON list: what the task's verifier needs, turn by turn
        "source": pl.String,  # name of the file, or of the data set on the hub
    }
)

BENCHMARK_QUARANTINE = pl.Schema(
    {
        "benchmark": pl.String,
        "source": pl.String,
        "row": pl.Int64,  # 1-based line (JSONL) or row
        "field": pl.String,  # null when no single field is to blame
        "reason": pl.String,
        "raw": pl.String,  # the row as it stood, cut at 2,000 characters
    }
)

THOUGHTS = pl.Schema(
    {
        "node_id": pl.String,  # content_id("node", tree_id, parent_id, kind, role, text)
        "tree_id": pl.String,
        "parent_id": pl.String,  # null for a child of the prompt
        "kind": pl.String,  # a ThoughtKind value
        "text": pl.String,  # between the tags
        "tokens": pl.Int64,  # sampled by the engine
        "finish_reason": pl.String,  # "stop" or "length"
        "defect": pl.String,  # null, or why the thought is kept out of training: "truncated", "malformed: …"
        "role": pl.String,  # "generator" or "critic"
        "model_digest": pl.String,
        "sampling_seed": pl.Int64,
        "sample": pl.Int64,  # 0-based index among the n samples of its request
        "visits": pl.Int64,
        "value": pl.Float64,  # sum of back-propagated rewards
        "is_answer": pl.Boolean,
        "reward": pl.Float64,  # 0 or 1 for a checked answer, in [0, 1] where the search scored it itself, else null
        "verdict": pl.String,  # the verifier's reason, else null
        "depth": pl.Int64,  # 1 for a child of the prompt
        "forced": pl.Boolean,  # by a wrong answer beside it: error backtracking
        "confidence": pl.Float64,  # the model's own, in (0, 1]; null unless the search asked for it
    }
)

TREES = pl.Schema(
    {
        "tree_id": pl.String,
        "seed_id": pl.String,
        "task": pl.String,
        "batch": pl.String,
        "pattern": pl.String,
        "strategy": pl.String,  # "mcts", "best-of-n" or "beam"
        "rollouts": pl.Int64,
        "nodes": pl.Int64,
        "correct": pl.Int64,  # distinct correct answer paths
        "wrong": pl.Int64,  # distinct wrong answer paths
        "stop_reason": pl.String,
        "tokens": pl.Int64,  # sampled by the engines, discarded duplicates included
        "seconds": pl.Float64,
    }
)

STRATEGY_COMPARISON = pl.Schema(
    {
        "strategy": pl.String,  # "mcts", "best-of-n", "beam", "diverse-beam"
        "seeds": pl.Int64,
        "tokens": pl.Float64,  # sampled a seed, mean; the baselines get what the first strategy took
        "solved": pl.Float64,  # share of the seeds with a right answer
        "solved_gain": pl.Float64,  # over the first strategy, paired by seed
        "solved_gain_se": pl.Float64,  # its standard error; null with one seed
        "correct": pl.Float64,  # distinct correct answer paths a seed, mean
        "correct_gain": pl.Float64,
        "correct_gain_se": pl.Float64,
        "pairable": pl.Float64,  # share of the seeds with a right and a wrong answer
        "pairable_gain": pl.Float64,
        "pairable_gain_se": pl.Float64,
        "seconds": pl.Float64,  # of all trees, each from its first step to its last; trees run side by side
    }
)

CHAINS = pl.Schema(
    {
        "chain_id": pl.String,  # content_id("chain", seed_id, text)
        "tree_id": pl.String,
        "leaf_id": pl.String,
        "seed_id": pl.String,
        "text": pl.String,  # all blocks
        "tokens": pl.Int64,  # in the student's tokens
        "correct": pl.Boolean,
        "truncated": pl.Boolean,
        "reflections": pl.Int64,  # Reflection and Reclarify blocks
        "length_rank": pl.String,  # "shortest" / "medium" / "longest" among one prompt's correct chains; null if wrong
        "batch": pl.String,
    }
)

COT_SET = pl.Schema(
    {
        "chain_id": pl.String,
        "seed_id": pl.String,
        "prompt": pl.String,
        "completion": pl.String,
        "tokens": pl.Int64,
        "length_rank": pl.String,
        "batch": pl.String,
    }
)

PREFERENCE_PAIRS = pl.Schema(
    {
        "pair_id": pl.String,  # content_id("pair", chosen_chain_id, rejected_chain_id)
        "seed_id": pl.String,
        "chosen_chain_id": pl.String,
        "rejected_chain_id": pl.String,
        "prompt": pl.String,
        "chosen": pl.String,
        "rejected": pl.String,
        "chosen_rank": pl.String,  # which length rule picked the chosen chain: "shortest" / "medium" / "longest"
        "chosen_tokens": pl.Int64,
        "rejected_tokens": pl.Int64,
        "common_prefix_tokens": pl.Int64,  # in the student's tokens, within the completion
        "label_smoothing": pl.Float64,  # the pair's own ε, in [0, 0.5), from its tree's visits; null where unknown
        "batch": pl.String,
    }
)

SCORES = pl.Schema(
    {
        "checkpoint": pl.String,  # "base", "sft" or a recipe's name
        "checkpoint_digest": pl.String,
        "benchmark": pl.String,  # a published benchmark's name in the profile, or the task of a held-out question
        "question_id": pl.String,  # a benchmark question's, or the held-out seed's seed_id
        "decoding": pl.String,  # "greedy" or "sampled"
        "sample": pl.Int64,
        "turn": pl.Int64,  # 1-based turn of the conversation
        "correct": pl.Boolean,
        "answered": pl.Boolean,
        "clipped": pl.Boolean,  # cut at the token limit
        "tokens": pl.Int64,
        "repetition": pl.Float64,  # share of repeated 20-word-grams, 0 to 1
        "reflections": pl.Int64,  # reflection words
        "verdict": pl.String,
        "answer": pl.String,  # as extracted from the response; null where none was
        "details": pl.String,  # JSON: what a task tells of a response beyond its verdict; null where nothing
        "response": pl.String,
    }
)

MCTS_DECODING = pl.Schema(
    {
        "checkpoint": pl.String,  # "base", "sft" or a recipe's name
        "checkpoint_digest": pl.String,
        "benchmark": pl.String,  # as in the scores
        "question_id": pl.String,
        "method": pl.String,  # "mcts", or "sampling": independent responses
        "tries": pl.Int64,  # N: responses, or whose tokens the search got
        "answers": pl.Int64,  # responses, or finished chains
        "tokens": pl.Float64,  # sampled: by the tree; N times the mean response
        "solved": pl.Float64,  # probability that one of N responses is correct; of a tree, whether an answer is
        "chosen": pl.String,  # the answer that most weight is on; null where none is stated
        "chosen_correct": pl.Boolean,
        "stop_reason": pl.String,  # why the tree ended; null of sampling
    }
)

_NO_TEXTS = {name: kind for name, kind in SCORES.items() if name not in ("verdict", "answer", "details", "response")}

STUDY_ANSWERS = pl.Schema({"seed": pl.Int64(), **_NO_TEXTS})  # as the scores; the checkpoint is a variant of the study

STUDY_DECODING = pl.Schema({"seed": pl.Int64(), **MCTS_DECODING})

STUDY_FINDINGS = pl.Schema(
    {
        "topic": pl.String(),
        "claim": pl.String(),
        "first": pl.String(),  # variant
        "first_source": pl.String(),  # "greedy", "sampled", "mcts" or "sampling"
        "second": pl.String(),
        "second_source": pl.String(),
        "measure": pl.String(),  # "accuracy", "no_answer", "solved" or "chosen"
        "expected": pl.String(),  # "rise", "fall", "same" or "open"
        "difference": pl.Float64(),  # first minus second, in shares; null where a side is missing
        "se": pl.Float64(),  # paired, over seeds and questions
        "low": pl.Float64(),  # of an interval that holds for all rows together
        "high": pl.Float64(),
        "seeds": pl.Int64(),
        "questions": pl.Int64(),
        "verdict": pl.String(),
    }
)

ARTIFACTS = pl.Schema(
    {
        "artifact_id": pl.String(),
        "asset_key": pl.String(),
        "partition": pl.String(),  # null when the asset has none
        "run_id": pl.String(),  # Dagster run
        "code_version": pl.String(),
        "data_version": pl.String(),
        "rows": pl.Int64(),  # null for a checkpoint
        "path": pl.String(),  # relative to the storage root
        "mlflow_run_id": pl.String(),
        "stored": pl.String(),  # the artifact of the store that holds the content; null if there is none
        "reused": pl.Boolean(),
        "created_at": pl.Datetime("us", "UTC"),
    }
)

PROMOTIONS = pl.Schema(
    {
        "model": pl.String(),  # registered model
        "version": pl.Int64(),  # that was to become the champion
        "checkpoint": pl.String(),
        "checkpoint_digest": pl.String(),
        "champion": pl.Int64(),  # version that was the champion until then; null if there was none
        "promoted": pl.Boolean(),
        "reason": pl.String(),  # why it was forced; null if it was not
        "objections": pl.String(),  # JSON list of what spoke against it
        "evidence": pl.String(),  # JSON list of the comparisons with the champion
        "decided_at": pl.Datetime("us", "UTC"),
    }
)

ARTIFACT_INPUTS = pl.Schema({"artifact_id": pl.String(), "input_artifact_id": pl.String()})

TABLES: dict[str, pl.Schema] = {
    "seed_batches": SEED_BATCHES,
    "seed_prompts": SEED_PROMPTS,
    "seed_quarantine": SEED_QUARANTINE,
    "seed_overlaps": SEED_OVERLAPS,
    "seed_difficulty": SEED_DIFFICULTY,
    "held_out_questions": SEED_PROMPTS,
    "watched_questions": SEED_PROMPTS,
    "benchmark_questions": BENCHMARK_QUESTIONS,
    "benchmark_quarantine": BENCHMARK_QUARANTINE,
    "thoughts": THOUGHTS,
    "trees": TREES,
    "strategy_comparison": STRATEGY_COMPARISON,
    "chains": CHAINS,
    "cot_set": COT_SET,
    "preference_pairs": PREFERENCE_PAIRS,
    "scores": SCORES,
    "mcts_decoding": MCTS_DECODING,
    "study_answers": STUDY_ANSWERS,
    "study_decoding": STUDY_DECODING,
    "study_findings": STUDY_FINDINGS,
}
"""Table name → schema, for the tables that are Parquet files (artifacts and their inputs come from lineage events)."""


_DIGEST_ROWS = 10_000


Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def conform(frame: Frame, table: str) -> Frame:
    """`frame` with exactly the columns, order and types of `table`; ValueError names what is missing, extra or null.

    An empty frame of any shape becomes an empty table; of a lazy frame only the columns are looked at.
    """
    schema = TABLES[table]
    if isinstance(frame, pl.DataFrame) and frame.is_empty():
        return schema.to_frame()
    columns = frame.collect_schema().names()
    missing = [name for name in schema if name not in columns]
    extra = [name for name in columns if name not in schema]
    if missing or extra:
        raise ValueError(f"table {table}: missing columns {missing}, unknown columns {extra}")
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())


def digest_frame(frame: pl.DataFrame) -> str:
    """The SHA-256 (64 hex digits) over the columns, their types and the rows in their order: what the frame says."""
    digest = hashlib.sha256(str(list(frame.schema.items())).encode())
    for rows in frame.iter_slices(_DIGEST_ROWS):
        digest.update(rows.write_ndjson().encode())
    return digest.hexdigest()
