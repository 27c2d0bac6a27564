"""A small pipeline's leavings, as the real one would leave them: tables, a manifest and lineage events."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from marco_dag.cli import main
from marco_dag.lineage import LineageLog, Materialization
from marco_dag.schemas import TABLES, conform
from marco_dag.storage import Storage

GENERATOR = "digest-of-the-generator"
CRITIC = "digest-of-the-critic"
START = datetime(2026, 1, 1, tzinfo=UTC)

BATCHES = {"generated": (1, 2), "mine": (3,)}
"""Batch → the numbers of its seeds; seed 3 comes from a user's file."""


@dataclass
class Leavings:
    """Two batches of seeds taken all the way to a report. Every tree looks the same:

    sub-task a (generator) ─┬─ thinking b ─ answer c: correct           the short chain, chosen in pairs
                            └─ answer d: wrong ─ reflection e (critic) ─ answer f: correct     the SFT chain
    """

    storage: Storage
    ids: dict[str, str]
    """"asset" or "asset/partition" → artifact id."""

    def write(self, table: str, partition: str | None, rows: list[dict]) -> str:
        """Write one partition of a table, columns left out are null; returns its path below the root."""
        file = self.storage.table_file(table, partition)
        file.parent.mkdir(parents=True, exist_ok=True)
        frame = pl.DataFrame([dict.fromkeys(TABLES[table]) | row for row in rows], schema=TABLES[table])
        conform(frame, table).write_parquet(file)
        return self.storage.relative(file)

    def record(self, asset: str, partition: str | None = None, made_from=(), rows=None, path=None, version="1") -> str:
        """Append an event, a minute after the one before; `made_from` names earlier ones."""
        name = f"{asset}/{partition}" if partition else asset
        self.ids[name] = LineageLog(self.storage).append(
            Materialization(
                asset_key=asset,
                partition=partition,
                run_id="run-1",
                code_version="1",
                data_version=f"{name}@{version}",
                rows=rows,
                path=path,
                mlflow_run_id=f"mlflow-{name}",
                inputs=tuple(self.ids[source] for source in made_from),
                created_at=START + timedelta(minutes=len(LineageLog(self.storage).all())),
            )
        )
        return self.ids[name]

    def fill(self, asset: str, table: str, partition: str | None, rows: list[dict], made_from=()) -> str:
        """Write a table's partition and record it."""
        return self.record(asset, partition, made_from, len(rows), self.write(table, partition, rows))


@pytest.fixture
def leavings(tmp_path) -> Leavings:
    made = Leavings(Storage(tmp_path / "data"), {})
    made.write("seed_batches", None, [{"batch": "mine", "source": "mine.jsonl", "digest": "d" * 64, "bytes": 10}])
    question = {"task": "letters", "prompt": "How many r?", "reference": "{}"}
    held_out = [question | {"seed_id": "seed-q", "source": "generated", "split": "held_out", "batch": "held_out"}]
    made.fill("held_out_questions", "held_out_questions", None, held_out)
    made.record("base_models", path=_manifest(made, "base_models", None, "artifacts/models/models-1/student"))
    for batch, numbers in BATCHES.items():
        _fill_batch(made, batch, numbers, question)
    cot = [f"balanced_cot/{batch}" for batch in BATCHES]
    path = _manifest(made, "sft_checkpoint", None, "artifacts/sft/sft-1/model")
    made.record("sft_checkpoint", made_from=["base_models", *cot], path=path)
    pairs = [f"preference_pairs/{batch}" for batch in BATCHES]
    path = _manifest(made, "dpo_checkpoint", "full", "artifacts/second_stage/second_stage-1/model")
    made.record("dpo_checkpoint", "full", ["sft_checkpoint", *pairs], path=path)
    for checkpoint, own in (("base", []), ("sft", []), ("full", ["dpo_checkpoint/full"])):
        answers = [
            {
                "checkpoint": checkpoint,
                "checkpoint_digest": f"digest-of-{checkpoint}",
                "benchmark": "letters",
                "question_id": "seed-q",
                "decoding": decoding,
                "sample": 0,
                "turn": 1,
                "correct": checkpoint != "base",
                "answered": True,
                "clipped": False,
                "tokens": 20,
                "repetition": 0.0,
                "reflections": 0,
                "verdict": "as it should be",
                "answer": "2",
                "details": None,
                "response": "<answer>2</answer>",
            }
            for decoding in ("greedy", "sampled")
        ]
        sources = ["held_out_questions", "base_models", "sft_checkpoint", *own]
        made.fill("benchmark_scores", "scores", checkpoint, answers, sources)
    scores = [f"benchmark_scores/{checkpoint}" for checkpoint in ("base", "sft", "full")]
    made.record("distillation_report", made_from=scores, path="reports/report.html")
    return made


@pytest.fixture
def marco(leavings, capsys, monkeypatch):
    """Runs a command over the leavings; returns (status, standard output, standard error)."""
    monkeypatch.setenv("MARCO_HOME", str(leavings.storage.root))

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return status, *capsys.readouterr()

    return run


def _fill_batch(made: Leavings, batch: str, numbers: tuple[int, ...], question: dict) -> None:
    source = "mine.jsonl" if batch == "mine" else "generated"
    seeds = [question | {"seed_id": f"seed-{n}", "source": source, "split": "train", "batch": batch} for n in numbers]
    made.fill("seed_prompts", "seed_prompts", batch, seeds)
    upstream = [f"seed_prompts/{batch}", "base_models"]
    trees = [{"tree_id": f"tree-{n}", "seed_id": f"seed-{n}", "batch": batch, "pattern": "a"} for n in numbers]
    made.fill("mcts_trees", "trees", batch, trees, upstream)
    made.fill("thoughts", "thoughts", batch, [t for n in numbers for t in _thoughts(n)], upstream)
    chains = [
        {"chain_id": f"chain-{n}{leaf}", "tree_id": f"tree-{n}", "leaf_id": f"node-{n}{leaf}", "seed_id": f"seed-{n}"}
        | {"correct": leaf != "d", "length_rank": rank, "batch": batch}
        for n in numbers
        for leaf, rank in (("c", "shortest"), ("d", None), ("f", "longest"))
    ]
    made.fill("chains", "chains", batch, chains, [f"mcts_trees/{batch}", f"thoughts/{batch}", "base_models"])
    cot = [{"chain_id": f"chain-{n}f", "seed_id": f"seed-{n}", "batch": batch} for n in numbers]
    made.fill("balanced_cot", "cot_set", batch, cot, [f"chains/{batch}", f"seed_prompts/{batch}"])
    pairs = [
        {"pair_id": f"pair-{n}", "seed_id": f"seed-{n}", "chosen_chain_id": f"chain-{n}c"}
        | {"rejected_chain_id": f"chain-{n}d", "chosen_rank": "shortest", "batch": batch}
        for n in numbers
    ]
    made.fill("preference_pairs", "preference_pairs", batch, pairs, [f"chains/{batch}", f"seed_prompts/{batch}"])


def _thoughts(n: int) -> list[dict]:
    shape = [
        ("a", None, "sub-task", 1), ("b", "a", "thinking", 2), ("c", "b", "answer", 3),
        ("d", "a", "answer", 2), ("e", "d", "reflection", 3), ("f", "e", "answer", 4),
    ]  # fmt: skip
    return [
        {
            "tree_id": f"tree-{n}",
            "node_id": f"node-{n}{letter}",
            "parent_id": parent and f"node-{n}{parent}",
            "kind": kind,
            "text": f"thought {letter}",
            "role": "critic" if kind == "reflection" else "generator",
            "model_digest": CRITIC if kind == "reflection" else GENERATOR,
            "depth": depth,
            "forced": False,
        }
        for letter, parent, kind, depth in shape
    ]


def _manifest(made: Leavings, asset: str, partition: str | None, location: str) -> str:
    file = made.storage.manifest_file(asset, partition)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"student": {"location": location, "digest": "x", "stored": True}}))
    (made.storage.root / location).mkdir(parents=True, exist_ok=True)
    return made.storage.relative(file)
