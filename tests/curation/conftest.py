"""Trees written out by hand: a builder of thoughts and trees frames, and a one-token-a-character student."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

from marco_dag.schemas import conform
from marco_dag.thoughts import ThoughtKind


@dataclass
class Forest:
    """Search trees in the making; rows as the search writes them."""

    thoughts: list[dict[str, Any]] = field(default_factory=list)
    trees: dict[str, dict[str, Any]] = field(default_factory=dict)

    def tree(self, tree_id: str, seed_id: str) -> str:
        self.trees[tree_id] = {
            "tree_id": tree_id, "seed_id": seed_id, "task": "letters", "batch": "generated", "pattern": "a",
            "strategy": "mcts",
            "rollouts": 4, "nodes": 0, "correct": 0, "wrong": 0, "stop_reason": "rollouts", "tokens": 0, "seconds": 0.1,
        }  # fmt: skip
        return tree_id

    def think(self, tree_id: str, parent: str | None, kind: ThoughtKind, text: str, **fields: Any) -> str:
        node_id = f"{tree_id}/{len(self.thoughts):03}"
        row = {
            "node_id": node_id, "tree_id": tree_id, "parent_id": parent, "kind": str(kind), "text": text, "tokens": 1,
            "finish_reason": "stop", "defect": None, "role": "generator", "model_digest": "m", "sampling_seed": 0,
            "sample": 0, "visits": 1, "value": 0.0, "is_answer": kind is ThoughtKind.ANSWER, "reward": None,
            "verdict": None, "depth": 1, "forced": False, "confidence": None,
        }  # fmt: skip
        self.thoughts.append(row | fields)
        return node_id

    def answer(self, tree_id: str, parent: str | None, text: str, *, correct: bool | None, **fields: Any) -> str:
        reward = None if correct is None else float(correct)
        return self.think(tree_id, parent, ThoughtKind.ANSWER, text, reward=reward, **fields)

    def path(self, tree_id: str, thinking: str, answer: str, *, correct: bool) -> str:
        return self.answer(tree_id, self.think(tree_id, None, ThoughtKind.THINKING, thinking), answer, correct=correct)

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        trees = conform(pl.DataFrame(list(self.trees.values())), "trees")
        return trees, conform(pl.DataFrame(self.thoughts, infer_schema_length=None), "thoughts")

    def seeds(self) -> pl.DataFrame:
        ids = sorted({tree["seed_id"] for tree in self.trees.values()})
        rows = [
            {
                "seed_id": seed_id, "task": "letters", "prompt": f"question of {seed_id}", "reference": "{}",
                "source": "generated", "split": "train", "batch": "generated",
            }
            for seed_id in ids
        ]  # fmt: skip
        return conform(pl.DataFrame(rows), "seed_prompts")


def encode_characters(texts: Sequence[str]) -> list[list[int]]:
    """A student whose tokens are characters."""
    return [[ord(character) for character in text] for text in texts]


@pytest.fixture
def forest() -> Forest:
    return Forest()


@pytest.fixture(scope="session")
def new_forest() -> type[Forest]:
    return Forest


@pytest.fixture(scope="session")
def encode():
    return encode_characters
