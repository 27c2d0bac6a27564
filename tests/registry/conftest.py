"""A registry over a real MLflow store, and scores made by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from marco_dag.evaluation import SCORES_FILE
from marco_dag.identity import content_id
from marco_dag.registry import MlflowStore, ModelRegistry, Registration, Version
from marco_dag.schemas import SCORES
from marco_dag.storage import Storage
from marco_dag.store import ArtifactStore


def score_frame(
    correct: Sequence[bool],
    *,
    answered: Sequence[bool] | None = None,
    benchmark: str = "letters",
    decodings: Sequence[str] = ("greedy", "sampled"),
    first: int = 0,
) -> pl.DataFrame:
    """One answer a question and decoding: question `first + i` is answered `correct[i]`."""
    rows = [
        dict.fromkeys(SCORES)
        | {"checkpoint": "c", "benchmark": benchmark, "question_id": f"q-{first + number}", "decoding": decoding}
        | {"sample": 0, "turn": 1, "correct": right, "answered": answered[number] if answered else True}
        | {"clipped": False, "tokens": 5, "repetition": 0.0, "reflections": 0, "verdict": "so it is"}
        for decoding in decodings
        for number, right in enumerate(correct)
    ]
    return pl.DataFrame(rows, schema=SCORES)


@pytest.fixture(scope="session")
def scores() -> Callable[..., pl.DataFrame]:
    return score_frame


@pytest.fixture(scope="session")
def opened(tmp_path_factory) -> MlflowStore:
    """A store that was opened once; each test has models of its own name in it."""
    store = MlflowStore(tmp_path_factory.mktemp("registry"))
    store.client()
    return store


@pytest.fixture
def registry(opened) -> ModelRegistry:
    return ModelRegistry(opened)


@pytest.fixture
def model(request) -> str:
    """A registered model of the test's own."""
    return f"marco-{request.node.name}"[:200].replace("[", "-").replace("]", "-")


@pytest.fixture
def storage(tmp_path) -> Storage:
    return Storage(tmp_path / "data")


@pytest.fixture
def register(registry, storage, model) -> Callable[..., Version]:
    """Stores a checkpoint with scores and registers it."""

    def one(name: str, frame: pl.DataFrame, checkpoint: str = "full") -> Version:
        def train(folder: Path) -> None:
            (folder / "model").mkdir()
            (folder / "model" / "config.json").write_text("{}")

        def answer(folder: Path) -> None:
            frame.write_parquet(folder / SCORES_FILE)

        store = ArtifactStore(storage.artifacts)
        trained, answers = (
            store.get_or_make("second_stage", {"n": name}, train),
            store.get_or_make("scores", {"n": name}, answer),
        )
        location = storage.relative(trained.path / "model")
        registration = Registration(checkpoint, content_id("digest", name), location, trained.id, answers.id)
        return registry.register(model, registration, source=str(trained.path), run_id=None)

    return one
