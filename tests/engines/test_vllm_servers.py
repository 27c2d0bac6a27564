"""Real vLLM servers: started, searched with, killed, started again, and gone when the work is done.

Needs `make install-vllm`; without it the tests are skipped. The models are the miniature's, trained for a few seconds.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import psutil
import pytest
from polars.testing import assert_frame_equal

from marco_dag.engines import (
    CallsConfig,
    Completion,
    Engine,
    Message,
    Request,
    TransformersConfig,
    VllmConfig,
    complete_all,
    load_engine,
    open_engine,
)
from marco_dag.errors import EngineError
from marco_dag.miniature import PretrainingConfig, train_miniature_models
from marco_dag.profiles import load_profile
from marco_dag.search import THOUGHTS_FILE, TREES_FILE, search_into
from marco_dag.seeds import generated_seeds
from tests.engines.test_guarded_server import is_gone, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-vllm/bin/python"
PROFILE = load_profile(str(ROOT / "tests/profiles/tiny.yaml"))
CONFIG = VllmConfig(
    kind="vllm",
    python=str(PYTHON),
    device="cpu",
    kv_cache_gb=1,
    restarts=1,
    arguments=("--dtype", "float32"),
    environment={"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
    calls=CallsConfig(timeout_s=60),
)

needs_vllm = pytest.mark.skipif(not PYTHON.exists(), reason="no vLLM here: make install-vllm")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that closes most of its thoughts."""
    untrained = PretrainingConfig(steps=1)
    config = PROFILE.miniature.model_copy(update={"critic": untrained, "student": untrained})
    folder = tmp_path_factory.mktemp("models")
    train_miniature_models(config, held_out_share=0.25, seed=0, folder=folder)
    return folder / "generator"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def said() -> list[str]:
    """The server's log, as it comes."""
    return []


@pytest.fixture(scope="module")
def vllm(checkpoint: Path, logs: Path, said: list[str]) -> Iterator[Engine]:
    """One server for all tests here; when they are over, it is gone with all its processes."""
    with open_engine(checkpoint, CONFIG, name="generator", logs=logs, say=said.append) as engine:
        pids = [process.pid for process in serving(checkpoint)]
        assert pids
        yield engine
        pids += [process.pid for process in serving(checkpoint)]
    wait_until(lambda: all(is_gone(pid) for pid in pids))
    assert not serving(checkpoint)


def serving(checkpoint: Path) -> list[psutil.Process]:
    """The processes that serve the checkpoint, the engine's own behind the API included."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if str(checkpoint) in command and command[1:3] == ["-m", "vllm.entrypoints.openai.api_server"]:
            found += [process, *process.children(recursive=True)]
    return found


def completed(engine: Engine, requests: Sequence[Request]) -> list[Sequence[Completion]]:
    async def run() -> list[Sequence[Completion]]:
        try:
            return await complete_all(engine, requests)
        finally:
            await engine.close()

    return asyncio.run(run())


def requests(**fields: object) -> list[Request]:
    seeds = generated_seeds(PROFILE.seeds, seed=0, batch="generated")
    return [
        Request((Message("user", prompt),), "<sub-task>", ("</sub-task>",), max_tokens=48, seed=number, **fields)
        for number, prompt in enumerate(seeds["prompt"])
    ]


@needs_vllm
def test_greedy_completions_equal_those_of_the_engine_in_this_process(vllm: Engine, checkpoint: Path) -> None:
    asked = requests(temperature=0.0, confidence=True)
    theirs, ours = completed(vllm, asked), completed(load_engine(checkpoint, TransformersConfig(device="cpu")), asked)
    for (their,), (our,) in zip(theirs, ours, strict=True):
        assert (their.text, their.tokens, their.finish_reason, their.stop) == (
            our.text,
            our.tokens,
            our.finish_reason,
            our.stop,
        )
        assert their.confidence == pytest.approx(our.confidence, abs=1e-3)


@needs_vllm
def test_the_same_seed_gives_the_same_samples_in_any_company(vllm: Engine) -> None:
    asked = requests(n=3)
    together = completed(vllm, asked)
    assert together == completed(vllm, asked[::-1])[::-1]
    assert len({completion.text for samples in together for completion in samples}) > len(asked)


@needs_vllm
def test_a_prompt_that_does_not_fit_is_told_from_one_that_does(vllm: Engine) -> None:
    long = Request((Message("user", "How many l in balloon?"),), "a" * 300)
    with pytest.raises(EngineError, match=r"a prompt of \d+ tokens does not fit the model's context of 256"):
        completed(vllm, [long])
    assert completed(vllm, requests()[:1])


@needs_vllm
def test_killed_in_the_middle_it_is_started_again_and_the_tables_are_those_of_a_quiet_day(
    vllm: Engine, checkpoint: Path, said: list[str], tmp_path: Path
) -> None:
    """SIGKILL comes when a quarter of the calls is answered."""
    seeds = generated_seeds(PROFILE.seeds.model_copy(update={"generated_per_task": 20}), seed=0, batch="generated")

    def search(folder: Path, engine: Engine) -> tuple[pl.DataFrame, pl.DataFrame]:
        engines = {"generator": engine, "critic": engine}
        search_into(folder, seeds, engines, PROFILE.search, seed=0)
        return pl.read_parquet(folder / TREES_FILE).drop("seconds"), pl.read_parquet(folder / THOUGHTS_FILE)

    quiet = Killing(vllm, after=None)
    undisturbed = search(tmp_path / "quiet", quiet)
    killing = Killing(vllm, after=quiet.calls // 4, pids=[process.pid for process in serving(checkpoint)])
    found = search(tmp_path / "killed", killing)
    assert any("was ended by signal SIGKILL; it is started again (1 of 1)" in line for line in said)
    for ours, theirs in zip(found, undisturbed, strict=True):
        assert_frame_equal(ours, theirs)
    assert undisturbed[0]["correct"].sum() > 0


class Killing:
    """An engine whose server is killed after so many calls, with all its processes."""

    def __init__(self, engine: Engine, *, after: int | None, pids: Sequence[int] = ()) -> None:
        self._engine = engine
        self._after = after
        self._pids = pids
        self.calls = 0

    @property
    def model_digest(self) -> str:
        return self._engine.model_digest

    @property
    def capacity(self) -> int:
        return self._engine.capacity

    async def check(self, request: Request) -> None:
        await self._engine.check(request)

    async def close(self) -> None:
        await self._engine.close()

    async def complete(self, request: Request) -> Sequence[Completion]:
        self.calls += 1
        if self.calls == self._after:
            for pid in self._pids:
                os.kill(pid, signal.SIGKILL)
        return await self._engine.complete(request)


@needs_vllm
def test_a_server_that_does_not_start_says_why(checkpoint: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"arguments": ("--no-such-option",)})
    with (
        pytest.raises(
            EngineError, match=r"the server critic ended with status 2; its whole log is (.|\n)*no-such-option"
        ),
        open_engine(checkpoint, config, name="critic", logs=tmp_path, say=lambda _: None),
    ):
        pass


def test_without_vllm_it_is_said_where_to_get_it(checkpoint: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"python": sys.executable})
    with (
        pytest.raises(EngineError, match=r"has no vLLM; install vLLM into an environment of its own"),
        open_engine(checkpoint, config, name="critic", logs=tmp_path, say=lambda _: None),
    ):
        pass


def test_a_python_that_is_not_there_is_named(checkpoint: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"python": str(tmp_path / "nowhere")})
    with (
        pytest.raises(EngineError, match=r"engine.python: .*/nowhere cannot be run \(No such file or directory\)"),
        open_engine(checkpoint, config, name="critic", logs=tmp_path, say=lambda _: None),
    ):
        pass
