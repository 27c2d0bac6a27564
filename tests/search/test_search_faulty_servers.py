"""A whole search over servers that hang, refuse, talk nonsense and break off: the tables are those of a quiet day."""

import random
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from marco_dag.engines import CallsConfig, Request, RoleEngines, ScriptedEngine
from marco_dag.engines.adaptive_limit import START
from marco_dag.engines.replicas import ReplicatedEngine
from marco_dag.errors import EngineUnavailableError
from marco_dag.search import THOUGHTS_FILE, TREES_FILE, SearchConfig, search_into
from tests.engines.completions_server import TRANSIENT, CompletionsServer, Fault
from tests.engines.conftest import character_tokenizer
from tests.engines.test_server_engine import connect

MakeSeeds = Callable[..., pl.DataFrame]

WORDS = [f"{letter}{number}" for letter in "ab" for number in range(10)]
CONFIG = SearchConfig(openings={}, instructions="", rollouts=4, hard_after=2)
PATIENT = CallsConfig(timeout_s=0.5, patience_s=60)


def write(request: Request, sample: int) -> str:
    """Right half of the time."""
    draw = random.Random(f"{request.seed} {sample}")
    text = draw.choice("12") if request.stop[0] == "</answer>" else f"step {draw.randrange(1000)}"
    return text + request.stop[0]


def serve(fault: Callable[[int], Fault | None]) -> CompletionsServer:
    return CompletionsServer(ScriptedEngine(write), character_tokenizer(), fault=fault)


def search(folder: Path, seeds: pl.DataFrame, engines: RoleEngines) -> tuple[pl.DataFrame, pl.DataFrame]:
    search_into(folder, seeds, engines, CONFIG, seed=3)
    return pl.read_parquet(folder / TREES_FILE).drop("seconds"), pl.read_parquet(folder / THOUGHTS_FILE)


@pytest.fixture
def seeds(make_seeds: MakeSeeds) -> pl.DataFrame:
    return make_seeds(*WORDS)


@pytest.fixture
def quiet(seeds: pl.DataFrame, tmp_path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    with serve(lambda _: None) as server:
        return search(tmp_path / "quiet", seeds, dict.fromkeys(("generator", "critic"), connect(server.url)))


def test_faults_that_pass_change_nothing(seeds: pl.DataFrame, quiet, tmp_path: Path) -> None:
    draw = random.Random(5)
    plan = [draw.choice(TRANSIENT) if draw.random() < 0.1 else None for _ in range(10_000)]
    with serve(lambda call: plan[call]) as generator, serve(lambda call: plan[-call]) as critic:
        engines = {"generator": connect(generator.url, PATIENT), "critic": connect(critic.url, PATIENT)}
        found = search(tmp_path / "faulty", seeds, engines)
        seen = {plan[call] for call in range(len(generator.payloads))}
    assert seen == {None, *TRANSIENT}
    for ours, theirs in zip(found, quiet, strict=True):
        assert_frame_equal(ours, theirs)


def test_a_replica_that_dies_for_good_changes_nothing(seeds: pl.DataFrame, quiet, tmp_path: Path) -> None:
    with serve(lambda call: "401" if call > 60 else None) as dying, serve(lambda _: None) as healthy:
        engine = ReplicatedEngine([connect(dying.url, PATIENT), connect(healthy.url, PATIENT)])
        found = search(tmp_path / "half", seeds, {"generator": engine, "critic": engine})
        assert len(dying.payloads) > 60
    for ours, theirs in zip(found, quiet, strict=True):
        assert_frame_equal(ours, theirs)


def test_a_server_that_is_gone_for_good_stops_the_search_and_another_goes_on(
    seeds: pl.DataFrame, quiet, tmp_path: Path
) -> None:
    with serve(lambda call: "503" if call > 100 else None) as dying:
        engine = connect(dying.url, CallsConfig(patience_s=0.2))
        with pytest.raises(EngineUnavailableError, match="503"):
            search(tmp_path / "cut", seeds, {"generator": engine, "critic": engine})
    with serve(lambda _: None) as server:
        engine = connect(server.url)
        found = search(tmp_path / "cut", seeds, {"generator": engine, "critic": engine})
        asked_again = len(server.payloads)
    for ours, theirs in zip(found, quiet, strict=True):
        assert_frame_equal(ours, theirs)
    with serve(lambda _: None) as server:
        engine = connect(server.url)
        search(tmp_path / "whole", seeds, {"generator": engine, "critic": engine})
        assert asked_again <= len(server.payloads) - 100 + START  # what was in flight when it was given up is lost
