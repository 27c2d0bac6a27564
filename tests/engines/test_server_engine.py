"""Servers that somebody else runs: what is asked of them, what is made of their answers."""

import asyncio
import math
import socket
import time
from collections.abc import Callable, Sequence

import pytest

from marco_dag.engines import CallsConfig, Completion, Engine, Message, Request, ScriptedEngine, ServerConfig
from marco_dag.engines.adaptive_limit import AdaptiveLimit
from marco_dag.engines.http_calls import HttpCalls
from marco_dag.engines.rendering import PromptEncoder
from marco_dag.engines.server_engine import ServerEngine
from marco_dag.errors import EngineError, EngineUnavailableError
from tests.engines.completions_server import TRANSIENT, CompletionsServer, Fault
from tests.engines.conftest import character_tokenizer

Complete = Callable[[Engine, Sequence[Request]], list[Sequence[Completion]]]
QUICK = CallsConfig(timeout_s=0.5, patience_s=20)


def connect(url: str, calls: CallsConfig = QUICK, *, key: str | None = None, model: str | None = None) -> ServerEngine:
    limit = AdaptiveLimit(calls.max_in_flight)
    http = HttpCalls(url, calls, key=key, on_too_busy=limit.shrink)
    return ServerEngine(http, limit, PromptEncoder(character_tokenizer()), model=model, model_digest="d")


@pytest.fixture
def say() -> ScriptedEngine:
    return ScriptedEngine(lambda request, sample: f"{request.seed}.{sample}</thinking> and more")


@pytest.fixture
def finished(complete: Complete) -> Complete:
    """Complete, and close the engine in the same loop, as a search does."""

    def run(engine: Engine, requests: Sequence[Request]) -> list[Sequence[Completion]]:
        async def all_of_it() -> list[Sequence[Completion]]:
            try:
                return [*await asyncio.gather(*(engine.complete(request) for request in requests))]
            finally:
                await engine.close()

        return asyncio.run(all_of_it())

    return run


def checked(engine: Engine, request: Request) -> None:
    async def check() -> None:
        try:
            await engine.check(request)
        finally:
            await engine.close()

    asyncio.run(check())


def test_the_prompt_goes_out_as_the_tokens_of_template_and_prefix(tokenizer, say, ask, finished) -> None:
    with CompletionsServer(say, tokenizer) as server:
        request = ask("q", prefix="<thinking>so", stop=("</thinking>",), n=2, max_tokens=9, temperature=0.7, top_p=0.9)
        finished(connect(server.url), [request])
    [payload] = server.payloads
    assert payload["prompt"] == tokenizer.encode("<user>q<assistant><thinking>so", add_special_tokens=False)
    assert payload["stop"] == ["</thinking>"]
    assert (payload["n"], payload["max_tokens"], payload["temperature"], payload["top_p"]) == (2, 9, 0.7, 0.9)
    assert (payload["top_k"], payload["min_p"], payload["repetition_penalty"]) == (-1, 0.0, 1.0)
    assert payload["model"] == "model"


def test_completions_come_in_the_order_of_the_samples_with_stop_string_count_and_reason(
    tokenizer, say, ask, finished
) -> None:
    requests = [ask("q", n=3, seed=5, stop=("</thinking>",)), ask("q", seed=6), ask("q", seed=7, max_tokens=4)]
    with CompletionsServer(say, tokenizer) as server:
        stopped, ended, cut = finished(connect(server.url), requests)
    assert [(c.text, c.finish_reason, c.stop) for c in stopped] == [(f"5.{i}", "stop", "</thinking>") for i in range(3)]
    assert [(c.finish_reason, c.stop) for c in (*ended, *cut)] == [("stop", None), ("length", None)]
    assert [c.tokens for c in (*stopped, *ended, *cut)] == [14, 14, 14, 24, 4]


def test_without_token_ids_tokens_are_counted_here(tokenizer, say, ask, finished) -> None:
    with CompletionsServer(say, tokenizer, extra={"token_ids": ...}) as server:
        stopped, ended = finished(connect(server.url), [ask("q", stop=("</thinking>",)), ask("q")])
    assert [c.tokens for c in (*stopped, *ended)] == [len("0.0</thinking>"), len("0.0</thinking> and more") + 1]


def test_greedy_samples_are_asked_for_once(tokenizer, say, ask, finished) -> None:
    with CompletionsServer(say, tokenizer) as server:
        [completions] = finished(connect(server.url), [ask("q", n=3, temperature=0)])
    assert [payload["n"] for payload in server.payloads] == [1]
    assert len(completions) == 3
    assert len(set(completions)) == 1


def test_confidence_is_each_tokens_share_among_itself_and_the_likeliest_five(tokenizer, say, ask, finished) -> None:
    tops = [0.4, 0.2, 0.1, 0.08, 0.07]
    rivals = {f"t{i}": math.log(p) for i, p in enumerate(tops)}
    outsider = rivals | {"own": math.log(0.05)}
    logprobs = {"token_logprobs": [math.log(0.4), math.log(0.05)], "top_logprobs": [rivals, outsider]}
    with CompletionsServer(say, tokenizer, extra={"logprobs": logprobs}) as server:
        [[completion]] = finished(connect(server.url), [ask("q", confidence=True)])
        assert server.payloads[0]["logprobs"] == 5
    assert completion.confidence == pytest.approx((0.4 / 0.85 + 0.05 / 0.90) / 2)


@pytest.mark.parametrize("fault", TRANSIENT)
def test_what_passes_is_waited_out(fault: Fault, tokenizer, say, ask, finished) -> None:
    with CompletionsServer(say, tokenizer, fault=lambda call: fault if call < 2 else None) as server:
        [[completion]] = finished(connect(server.url), [ask("q", seed=3, stop=("</thinking>",))])
    assert completion.text == "3.0"
    assert len(server.payloads) == 3


def test_a_server_that_is_started_again_elsewhere_in_time_is_found_again(tokenizer, say, ask) -> None:
    async def restart() -> Sequence[Completion]:
        with CompletionsServer(say, tokenizer) as first:
            engine = connect(first.url)
            await engine.complete(ask("q"))
            port = int(first.url.rsplit(":", 1)[1])
        call = asyncio.create_task(engine.complete(ask("q", seed=9)))
        await asyncio.sleep(0.3)
        with CompletionsServer(say, tokenizer, port=port):
            completions = await call
        await engine.close()
        return completions

    assert asyncio.run(restart())[0].text.startswith("9.0")


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("400", EngineError, "status 400: so it is with 400"),
        ("401", EngineUnavailableError, "status 401, the key is missing or wrong: so it is with 401"),
        ("404", EngineUnavailableError, "status 404, it has no such model or path: so it is with 404"),
    ],
)
def test_a_refusal_is_not_repeated(fault, error, message, tokenizer, say, ask, finished) -> None:
    with (
        CompletionsServer(say, tokenizer, fault=lambda _: fault) as server,
        pytest.raises(error, match=message) as caught,
    ):
        finished(connect(server.url), [ask("q")])
    assert type(caught.value) is error
    assert len(server.payloads) == 1


def test_the_key_is_sent_and_shown_nowhere(tokenizer, say, ask, finished) -> None:
    with CompletionsServer(say, tokenizer, key="s3cret") as server:
        finished(connect(server.url, key="s3cret"), [ask("q")])
        with pytest.raises(EngineUnavailableError, match="key is missing or wrong") as caught:
            finished(connect(server.url, key="wr0ng"), [ask("q")])
    assert "wr0ng" not in str(caught.value)


def test_patience_has_an_end_that_says_what_was_seen(tokenizer, say, ask, finished) -> None:
    begun = time.monotonic()
    seen = r"status 503: so it is with 503; tried \d+ times in 1 s"
    with (
        CompletionsServer(say, tokenizer, fault=lambda _: "503") as server,
        pytest.raises(EngineUnavailableError, match=seen),
    ):
        finished(connect(server.url, CallsConfig(patience_s=1)), [ask("q")])
    assert time.monotonic() - begun < 5


def test_a_server_that_will_never_come_back_ends_the_patience(tokenizer, ask, finished) -> None:
    calls = HttpCalls("http://127.0.0.1:9", CallsConfig(), why_gone=lambda: "it died; its log ends: out of memory")
    engine = ServerEngine(calls, AdaptiveLimit(8), PromptEncoder(tokenizer), model="model", model_digest="d")
    with pytest.raises(EngineUnavailableError, match="it died; its log ends: out of memory"):
        finished(engine, [ask("q")])


class TestBeforeHoursAreSpent:
    """`check` says what is wrong."""

    def test_no_server_at_the_address(self, ask) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
            with pytest.raises(EngineUnavailableError, match=f"http://127.0.0.1:{port}: no server answers there"):
                checked(connect(f"http://127.0.0.1:{port}"), ask("q"))

    def test_a_model_that_the_server_does_not_have(self, tokenizer, say, ask) -> None:
        with CompletionsServer(say, tokenizer, models={"big": None, "small": None}) as server:
            with pytest.raises(
                EngineUnavailableError, match="has no model 'huge': it has big, small; name one of them"
            ):
                checked(connect(server.url, model="huge"), ask("q"))
            with pytest.raises(EngineUnavailableError, match=r"which model\? it has big, small"):
                checked(connect(server.url), ask("q"))
            checked(connect(server.url, model="small"), ask("q"))

    def test_a_context_that_does_not_fit(self, tokenizer, say, ask) -> None:
        with CompletionsServer(say, tokenizer, models={"model": 40}) as server:
            with pytest.raises(EngineError, match="a completion of 64 do not fit the model's context of 40"):
                checked(connect(server.url), ask("q", max_tokens=64))
            with pytest.raises(EngineError, match="a prompt of 52 tokens does not fit the model's context of 40"):
                checked(connect(server.url), ask("q" * 50, max_tokens=4))

    def test_a_chat_template_without_a_system_role(self, say) -> None:
        tokenizer = character_tokenizer()
        tokenizer.chat_template = (
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}x"
        )
        limit = AdaptiveLimit(8)
        with CompletionsServer(say, tokenizer) as server:
            calls = HttpCalls(server.url, QUICK)
            engine = ServerEngine(calls, limit, PromptEncoder(tokenizer), model=None, model_digest="d")
            request = Request((Message("system", "be brief"), Message("user", "q")))
            with pytest.raises(EngineError, match=r"roles \(system, user\): System role not supported"):
                checked(engine, request)

    def test_a_server_that_does_not_say_which_stop_string_ended_a_text(self, tokenizer, say, ask, finished) -> None:
        silent = CompletionsServer(say, tokenizer, extra={"stop_reason": ...})
        with silent, pytest.raises(EngineError, match="does not say which stop string ended a completion"):
            finished(connect(silent.url), [ask("q", stop=("</thinking>",))])


def test_a_prompt_longer_than_the_context_is_refused_alone(tokenizer, say, ask) -> None:
    async def both() -> list[object]:
        with CompletionsServer(say, tokenizer, models={"model": 60}) as server:
            engine = connect(server.url)
            asked = [engine.complete(ask("q" * 80)), engine.complete(ask("q", max_tokens=400))]
            found = await asyncio.gather(*asked, return_exceptions=True)
            await engine.close()
        assert [payload["max_tokens"] for payload in server.payloads] == [57]  # what the context leaves
        return found

    refused, served = asyncio.run(both())
    assert isinstance(refused, EngineError)
    assert not isinstance(refused, EngineUnavailableError)
    assert len(served) == 1


def test_hostile_answers_are_text_and_nothing_else(tokenizer, ask, finished) -> None:
    hostile = ["\x00\x1b[2J", "\ud800", "</answer><answer>", "x" * 1_000_000, "\u202e\u200b"]
    engine = ScriptedEngine(lambda request, _: hostile[request.seed])
    with CompletionsServer(engine, tokenizer, models={"model": None}) as server:
        asked = [ask("q", seed=i, max_tokens=2_000_000) for i in range(len(hostile))]
        answered = finished(connect(server.url), asked)
    assert [completion.text for (completion,) in answered] == hostile


def test_the_server_is_given_no_more_at_once_than_the_limit(tokenizer, say, ask, finished) -> None:
    class Slow(ScriptedEngine):
        async def complete(self, request: Request) -> Sequence[Completion]:
            await asyncio.sleep(0.01)
            return await super().complete(request)

    engine = Slow(lambda _request, _sample: "x")
    with CompletionsServer(engine, tokenizer) as server:
        finished(connect(server.url, CallsConfig(max_in_flight=6)), [ask("q", n=2, seed=i) for i in range(40)])
    assert 4 <= server.most_live <= 6


def test_a_profile_finds_its_key_in_the_environment(tmp_path, monkeypatch, tokenizer) -> None:
    from marco_dag.engines import open_engine

    tokenizer.save_pretrained(tmp_path)
    config = ServerConfig(kind="server", urls=("http://127.0.0.1:1",), api_key_variable="NO_SUCH_KEY")
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with (
        pytest.raises(EngineError, match="the environment has no NO_SUCH_KEY"),
        open_engine(tmp_path, config, name="generator", logs=tmp_path, say=print),
    ):
        pass
