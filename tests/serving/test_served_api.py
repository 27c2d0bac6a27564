"""A served checkpoint as clients of the OpenAI API see it."""

import asyncio
import time

import pytest
from aiohttp import ClientSession

from marco_dag.engines import Message, Request
from marco_dag.engines.transformers_engine import TransformersEngine
from marco_dag.serving.app import build_app
from tests.engines.conftest import random_model
from tests.serving.conftest import CONFIG, serving


def complete(engine, request):
    async def run():
        try:
            return await engine.complete(request)
        finally:
            await engine.close()

    return asyncio.run(run())


def test_it_says_that_it_is_well_and_what_it_serves(get, url, load):
    assert get(f"{url}/health") == (200, None)
    status, body = get(f"{url}/v1/models")
    [card] = body["data"]
    assert (status, card["id"], card["max_model_len"], card["root"]) == (200, "tiny", 128, load().model_digest)


def test_a_completion_is_the_engine_s_own_with_n_seed_temperature_and_stop(post, url, load):
    payload = {"model": "tiny", "prompt": "<user>What is up?<assistant>", "n": 3, "seed": 7, "max_tokens": 20}
    how = {"temperature": 0.8, "top_p": 0.9, "stop": ["e", "a"], "skip_special_tokens": False, "return_token_ids": True}
    status, body = post(f"{url}/v1/completions", payload | how)
    request = Request(
        (Message("user", "What is up?"),), n=3, seed=7, max_tokens=20, temperature=0.8, top_p=0.9, stop=("e", "a")
    )
    ours = complete(load(), request)
    assert status == 200
    told = [(c["index"], c["text"], c["finish_reason"], c["stop_reason"], len(c["token_ids"])) for c in body["choices"]]
    assert told == [(i, c.text, c.finish_reason, c.stop, c.tokens) for i, c in enumerate(ours)]
    assert any(c.stop for c in ours)
    assert not any(stop in c.text for c in ours for stop in ("e", "a"))
    assert body["usage"] == {
        "prompt_tokens": 13,
        "completion_tokens": sum(c.tokens for c in ours),
        "total_tokens": 13 + sum(c.tokens for c in ours),
    }


def test_the_same_seed_gives_the_same_samples_and_none_gives_others(post, url):
    payload = {"prompt": "abc", "max_tokens": 30, "n": 2}
    texts = [[c["text"] for c in post(f"{url}/v1/completions", payload | seed)[1]["choices"]] for seed in _SEEDS]
    assert texts[0] == texts[1]
    assert texts[2] != texts[3]
    greedy = [post(f"{url}/v1/completions", payload | {"temperature": 0})[1]["choices"] for _ in range(2)]
    assert {choice["text"] for choices in greedy for choice in choices} == {greedy[0][0]["text"]}


_SEEDS = ({"seed": 5}, {"seed": 5}, {}, {})


def test_several_prompts_in_texts_or_tokens_are_answered_in_their_order(post, url, tokenizer):
    texts, how = ["abc", "xyz"], {"max_tokens": 12, "temperature": 0, "n": 2}
    by_text = post(f"{url}/v1/completions", {"prompt": texts, **how})[1]["choices"]
    tokens = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    by_tokens = post(f"{url}/v1/completions", {"prompt": tokens, **how})[1]["choices"]
    single = [post(f"{url}/v1/completions", {"prompt": text, **how})[1]["choices"][0]["text"] for text in texts]
    assert [c["index"] for c in by_text] == [0, 1, 2, 3]
    assert [c["text"] for c in by_text] == [c["text"] for c in by_tokens] == [single[0]] * 2 + [single[1]] * 2


def test_a_chat_is_rendered_by_the_model_s_template(post, url, load):
    messages = [{"role": "user", "content": [{"type": "text", "text": "What "}, {"type": "text", "text": "now?"}]}]
    status, body = post(f"{url}/v1/chat/completions", {"messages": messages, "seed": 3, "max_completion_tokens": 9})
    [ours] = complete(load(), Request((Message("user", "What now?"),), seed=3, max_tokens=9))
    [choice] = body["choices"]
    assert (status, body["object"], body["model"]) == (200, "chat.completion", "tiny")
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == load().prompts.without_special_tokens(ours.text)
    assert body["usage"]["completion_tokens"] == ours.tokens


def test_an_answer_without_a_limit_ends_with_the_context(post, url):
    messages = [{"role": "user", "content": "x" * 100}]
    body = post(f"{url}/v1/chat/completions", {"messages": messages, "seed": 0})[1]
    assert body["usage"]["total_tokens"] <= 128


def test_special_tokens_are_left_out_unless_they_are_asked_for(post, url):
    payload = {"prompt": "abc", "max_tokens": 100, "n": 8, "seed": 1}
    bare = [c["text"] for c in post(f"{url}/v1/completions", payload)[1]["choices"]]
    full = [c["text"] for c in post(f"{url}/v1/completions", payload | {"skip_special_tokens": False})[1]["choices"]]
    assert any("<user>" in text or "<pad>" in text or "<assistant>" in text for text in full)
    assert not any("<user>" in text or "<pad>" in text or "<assistant>" in text for text in bare)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({}, "prompt: "),
        ({"prompt": []}, "a prompt is one or more tokens"),
        ({"prompt": [5, 10**6]}, "each from 0 to 98"),
        ({"prompt": [-1]}, "each from 0 to 98"),
        ({"prompt": "a" * 200}, "a prompt of 200 tokens does not fit the model's context of 128"),
        ({"prompt": "a", "n": 0}, "n: Input should be greater than or equal to 1"),
        ({"prompt": "a", "n": 9}, "n=9 exceeds max_live_sequences=8"),
        ({"prompt": ["a"] * 1000, "n": 8}, "1000 prompts with n = 8 are too many"),
        ({"prompt": "a", "temperature": -1}, "temperature: "),
        ({"prompt": "a", "temperature": float("nan")}, "temperature: "),
        ({"prompt": "a", "seed": -1}, "seed: "),
        ({"prompt": "a", "stream": True}, "stream: this server cannot do that; serve the checkpoint by vLLM"),
        ({"prompt": "a", "logprobs": 5}, "logprobs: this server cannot do that"),
        ({"prompt": "a", "top_k": 3}, "top_k: this server cannot do that"),
        ({"prompt": "a", "temprature": 3}, "temprature: no such field is known here"),
        ([1, 2], "body: "),
    ],
)
def test_what_cannot_be_done_is_refused_and_named(post, url, payload, message):
    status, body = post(f"{url}/v1/completions", payload)
    assert status == 400
    assert message in body["error"]["message"]
    assert body["error"]["type"] == "invalid_request_error"


def test_fields_that_ask_for_nothing_are_taken(post, url):
    idle = {"stream": False, "logprobs": None, "top_k": -1, "repetition_penalty": 1.0, "user": "me", "echo": False}
    assert post(f"{url}/v1/completions", {"prompt": "a", "max_tokens": 2, **idle})[0] == 200


def test_another_model_a_broken_body_and_another_type_are_refused(post, url):
    status, body = post(f"{url}/v1/completions", {"model": "gpt", "prompt": "a"})
    assert (status, body["error"]["message"]) == (404, "there is no model 'gpt' here; this is 'tiny'")

    async def raw(data: bytes, content_type: str) -> int:
        headers = {"Content-Type": content_type}
        async with (
            ClientSession() as session,
            session.post(f"{url}/v1/completions", data=data, headers=headers) as told,
        ):
            return told.status

    assert asyncio.run(raw(b"{", "application/json")) == 400
    assert asyncio.run(raw(b"\xff", "application/json")) == 400
    assert asyncio.run(raw(b'{"prompt": "a"}', "text/plain")) == 415


def test_with_a_key_only_those_who_send_it_get_in(load, post, get):
    with serving(build_app(load(), "tiny", key="open-sesame")) as url:
        payload = {"prompt": "a", "max_tokens": 1}
        assert get(f"{url}/health")[0] == 200
        assert get(f"{url}/v1/models")[0] == 401
        for given in ({}, {"Authorization": "Bearer open-sesam"}, {"Authorization": "open-sesame"}):
            status, body = post(f"{url}/v1/completions", payload, headers=given)
            assert (status, "Bearer" in body["error"]["message"]) == (401, True)
        assert post(f"{url}/v1/completions", payload, headers={"Authorization": "Bearer open-sesame"})[0] == 200


def test_a_client_that_goes_away_takes_its_samples_with_it(tokenizer):
    model, steps = random_model("llama", tokenizer), []
    model.generation_config.eos_token_id = tokenizer.pad_token_id
    model.base_model.register_forward_hook(lambda *_: steps.append(time.sleep(0.01)))
    engine = TransformersEngine(model, tokenizer, CONFIG, model_digest="d")
    with serving(build_app(engine, "tiny")) as url:

        async def give_up() -> None:
            async with ClientSession() as session:
                call = session.post(f"{url}/v1/completions", json={"prompt": "a", "max_tokens": 120, "n": 8, "seed": 0})
                asked = asyncio.ensure_future(call)
                while not steps:
                    await asyncio.sleep(0.001)
                asked.cancel()

        asyncio.run(give_up())
        while engine.under_way:
            time.sleep(0.01)
    assert 0 < len(steps) < 60
