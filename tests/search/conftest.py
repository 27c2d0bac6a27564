import json
from collections.abc import Callable

import polars as pl
import pytest

from marco_dag.engines.protocol import Request
from marco_dag.engines.scripted import ScriptedEngine
from marco_dag.identity import content_id
from marco_dag.schemas import SEED_PROMPTS
from marco_dag.search import Forest, SearchConfig, search_trees
from marco_dag.search.tree import Node, ThoughtNode, Tree
from marco_dag.thoughts import Thought, ThoughtKind

Write = Callable[[Request, int], str]


def _seeds(*words: str) -> pl.DataFrame:
    """One letters question a word: how many a are in it."""
    rows = []
    for word in words:
        prompt, reference = f"How many a in {word}?", json.dumps({"word": word, "letter": "a"})
        seed_id = content_id("seed", "letters", prompt, reference)
        rows.append((seed_id, "letters", prompt, reference, "generated", "train", "first"))
    return pl.DataFrame(rows, schema=SEED_PROMPTS, orient="row")


@pytest.fixture(scope="session")
def make_seeds() -> Callable[..., pl.DataFrame]:
    return _seeds


@pytest.fixture(scope="session")
def grow() -> Callable[..., Forest]:
    """Search with scripted writers on real questions of the letters task; by default on "banana", whose answer is 3."""

    def run(
        generator: Write,
        critic: Write | None = None,
        seeds: pl.DataFrame | None = None,
        seed: int = 0,
        **settings: object,
    ) -> Forest:
        engines = {
            "generator": ScriptedEngine(generator, "the-generator"),
            "critic": ScriptedEngine(critic or generator, "the-critic"),
        }
        config = SearchConfig.model_validate({"openings": {}, "instructions": "", **settings})
        return search_trees(_seeds("banana") if seeds is None else seeds, engines, config, seed=seed)

    return run


@pytest.fixture(scope="session")
def paths_of() -> Callable[[pl.DataFrame], list[list[dict[str, object]]]]:
    """The root-to-leaf paths of a thoughts table, as rows."""

    def paths(thoughts: pl.DataFrame) -> list[list[dict[str, object]]]:
        rows = {row["node_id"]: row for row in thoughts.to_dicts()}
        parents = {row["parent_id"] for row in rows.values()}
        found = []
        for leaf in (row for row in rows.values() if row["node_id"] not in parents):
            path = [leaf]
            while path[0]["parent_id"] is not None:
                path.insert(0, rows[path[0]["parent_id"]])
            found.append(path)
        return found

    return paths


@pytest.fixture(scope="session")
def hang() -> Callable[..., list[ThoughtNode]]:
    """Hangs thoughts of one kind below a node, as an engine would have written them."""

    def hang_below(
        tree: Tree,
        parent: Node,
        *texts: str,
        kind: ThoughtKind = ThoughtKind.THINKING,
        confidence: float | None = None,
    ) -> list[ThoughtNode]:
        children = []
        for text in texts:
            thought = Thought(kind, text)
            children.append(
                ThoughtNode(
                    node_id=tree.node_id(parent, thought, "generator"),
                    parent=parent,
                    depth=parent.depth + 1,
                    closed=kind is ThoughtKind.ANSWER,
                    thought=thought,
                    role="generator",
                    model_digest="m",
                    sampling_seed=0,
                    sample=0,
                    tokens=1,
                    finish_reason="stop",
                    confidence=confidence,
                )
            )
        tree.attach(parent, children)
        return children

    return hang_below
