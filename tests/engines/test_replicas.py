"""Several servers of one model: the least loaded one is asked, a tree stays where it began, a dead one is left out."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from marco_dag.engines import CallsConfig, Completion, Request, ScriptedEngine
from marco_dag.engines.replicas import ReplicatedEngine
from marco_dag.errors import EngineError, EngineUnavailableError
from tests.engines.completions_server import CompletionsServer
from tests.engines.test_server_engine import checked, connect

Ask = Callable[..., Request]


class Slow(ScriptedEngine):
    async def complete(self, request: Request) -> Sequence[Completion]:
        await asyncio.sleep(0.02)
        return await super().complete(request)


@pytest.fixture
def slow() -> Slow:
    return Slow(lambda request, _: f"{request.seed}")


def ask_all(engine: ReplicatedEngine, requests: Sequence[Request]) -> list[Sequence[Completion]]:
    async def run() -> list[Sequence[Completion]]:
        try:
            return [*await asyncio.gather(*(engine.complete(request) for request in requests))]
        finally:
            await engine.close()

    return asyncio.run(run())


def test_replicas_share_the_calls_evenly(tokenizer, slow, ask: Ask) -> None:
    with CompletionsServer(slow, tokenizer) as one, CompletionsServer(slow, tokenizer) as other:
        engine = ReplicatedEngine([connect(one.url), connect(other.url)])
        answers = ask_all(engine, [ask(f"question {i}", seed=i) for i in range(40)])
        assert [completion.text for (completion,) in answers] == [str(i) for i in range(40)]
        assert abs(len(one.payloads) - len(other.payloads)) <= 4
        assert engine.capacity == sum(connect(server.url).capacity for server in (one, other))


def test_a_conversation_stays_where_its_prefix_is_known(tokenizer, slow, ask: Ask) -> None:
    with CompletionsServer(slow, tokenizer) as one, CompletionsServer(slow, tokenizer) as other:
        engine = ReplicatedEngine([connect(one.url), connect(other.url)])

        async def grow(tree: int) -> None:
            for step in range(8):
                await engine.complete(ask(f"question {tree}", prefix="x" * step, seed=step))

        async def run() -> None:
            await asyncio.gather(*(grow(tree) for tree in range(6)))
            await engine.close()

        asyncio.run(run())
        homes = [{tuple(payload["prompt"][:11]) for payload in server.payloads} for server in (one, other)]
    assert not homes[0] & homes[1]
    assert {len(home) for home in homes} == {3}


def test_one_that_is_gone_is_left_out_and_its_calls_go_to_the_others(tokenizer, slow, ask: Ask) -> None:
    impatient = CallsConfig(patience_s=0)
    dead = CompletionsServer(slow, tokenizer, fault=lambda _: "503")
    with CompletionsServer(slow, tokenizer) as alive, dead:
        engine = ReplicatedEngine([connect(dead.url, impatient), connect(alive.url, impatient)])
        answers = ask_all(engine, [ask(f"question {i}", seed=i) for i in range(12)])
        assert [completion.text for (completion,) in answers] == [str(i) for i in range(12)]
        assert len(alive.payloads) == 12
        before = len(dead.payloads)
        ask_all(engine, [ask("another")])
        assert len(dead.payloads) == before


def test_when_all_are_gone_every_reason_is_given(tokenizer, slow, ask: Ask) -> None:
    impatient = CallsConfig(patience_s=0)
    servers = [CompletionsServer(slow, tokenizer, fault=lambda _: "500") for _ in range(2)]
    with servers[0], servers[1]:
        engine = ReplicatedEngine([connect(server.url, impatient) for server in servers])
        with pytest.raises(EngineUnavailableError) as caught:
            ask_all(engine, [ask("q")])
    assert all(server.url in str(caught.value) for server in servers)


def test_a_request_that_is_refused_is_refused_by_all(tokenizer, slow, ask: Ask) -> None:
    """A server that says 400 is not gone."""
    with CompletionsServer(slow, tokenizer, fault=lambda call: "400" if call == 0 else None) as server:
        engine = ReplicatedEngine([connect(server.url)])
        with pytest.raises(EngineError, match="status 400"):
            ask_all(engine, [ask("q")])
        assert ask_all(engine, [ask("q", seed=4)])[0][0].text == "4"


def test_a_missing_replica_is_found_before_the_work_begins(tokenizer, slow, ask: Ask) -> None:
    with CompletionsServer(slow, tokenizer) as server:
        engine = ReplicatedEngine([connect(server.url), connect("http://127.0.0.1:9")])
        with pytest.raises(EngineUnavailableError, match=r"http://127\.0\.0\.1:9: no server answers there"):
            checked(engine, ask("q"))
