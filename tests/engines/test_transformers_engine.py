"""The in-process engine: exact against plain `generate`, whoever a request shares the batch with."""

import asyncio
import dataclasses
import random

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from marco_dag.engines import Message, Request, TransformersConfig, complete_all
from marco_dag.engines.transformers_engine import TransformersEngine
from marco_dag.errors import EngineError, EngineUnavailableError
from tests.engines.conftest import SIZES, character_tokenizer, random_model


def engine_of(model, tokenizer, **config):
    return TransformersEngine(model, tokenizer, TransformersConfig(**config), model_digest="test")


def prompts(count, seed=0):
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefgh 123", k=draw.randint(3, 40))) for _ in range(count)]


def plain_generate(model, tokenizer, request):
    text = f"<user>{request.messages[0].content}<assistant>{request.prefix}"
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    made = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=request.max_tokens, do_sample=False, pad_token_id=0
    )[0, ids.shape[1] :].tolist()
    finish = "stop" if made[-1] == tokenizer.eos_token_id else "length"
    return tokenizer.decode([token for token in made if token != tokenizer.eos_token_id]), len(made), finish


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3", "llama"])
@pytest.mark.parametrize("config", [{"max_live_sequences": 5}, {"max_live_sequences": 64, "prefix_cache_mb": 0}])
def test_greedy_completions_equal_plain_generate(architecture, config, tokenizer, ask, complete):
    model = random_model(architecture, tokenizer)
    draw = random.Random(1)
    requests = [
        ask(prompt, temperature=0, max_tokens=draw.randint(1, 50), prefix=draw.choice(["", "ab", "so 12 "]))
        for prompt in prompts(24)
    ]
    completions = complete(engine_of(model, tokenizer, **config), requests)
    assert [(c.text, c.tokens, c.finish_reason) for (c,) in completions] == [
        plain_generate(model, tokenizer, request) for request in requests
    ]


def test_a_request_is_answered_alike_alone_and_in_a_crowd(qwen2, tokenizer, ask, complete):
    requests = [ask(prompt, n=3, seed=i, max_tokens=30) for i, prompt in enumerate(prompts(12))]
    crowd = complete(engine_of(qwen2, tokenizer, max_live_sequences=8), requests)
    alone = [complete(engine_of(qwen2, tokenizer), [request])[0] for request in requests]
    assert crowd == alone


def test_the_same_seed_gives_the_same_samples_and_another_seed_others(qwen2, tokenizer, ask, complete):
    engine = engine_of(qwen2, tokenizer)
    first, again, other = complete(
        engine, [ask("abc", n=4, seed=seed, max_tokens=20, temperature=2.0) for seed in (7, 7, 8)]
    )
    assert first == again
    assert first != other
    assert len({completion.text for completion in first}) > 1


def test_a_prefix_from_the_cache_changes_nothing(qwen2, tokenizer, ask, complete):
    engine = engine_of(qwen2, tokenizer)
    request = ask("a prompt of some length", temperature=0, max_tokens=40)
    (cold,) = complete(engine, [request])[0]
    follow_up = ask("a prompt of some length", prefix=cold.text[:20], temperature=0, max_tokens=20)
    (warm,) = complete(engine, [follow_up])[0]
    (fresh,) = complete(engine_of(qwen2, tokenizer, prefix_cache_mb=0), [follow_up])[0]
    assert warm == fresh
    assert engine._prefixes.find(tokenizer.encode("<user>a prompt of some length<assistant>")) is not None


def test_a_stop_string_ends_the_completion_and_is_left_out(qwen2, tokenizer, ask, complete):
    engine = engine_of(qwen2, tokenizer)
    (whole,) = complete(engine, [ask("hello", temperature=0, max_tokens=40)])[0]
    stop = whole.text[10:13]
    (cut,) = complete(engine, [ask("hello", temperature=0, max_tokens=40, stop=("never seen", stop))])[0]
    end = whole.text.index(stop)
    assert (cut.text, cut.tokens, cut.finish_reason, cut.stop) == (whole.text[:end], end + 3, "stop", stop)


def test_the_token_limit_is_kept_and_named(qwen2, tokenizer, ask, complete):
    (completion,) = complete(engine_of(qwen2, tokenizer), [ask("hello", temperature=0, max_tokens=5)])[0]
    assert (completion.tokens, completion.finish_reason, completion.stop) == (5, "length", None)


def test_the_context_limits_what_may_be_sampled(qwen2, tokenizer, ask, complete):
    prompt = "x" * (SIZES["max_position_embeddings"] - 10)
    (completion,) = complete(engine_of(qwen2, tokenizer), [ask(prompt, temperature=0, max_tokens=500)])[0]
    assert completion.tokens <= 8  # 10, less the template's two tokens


def test_a_prompt_beyond_the_context_is_refused_and_hurts_nobody_else(qwen2, tokenizer, ask):
    async def both():
        engine = engine_of(qwen2, tokenizer)
        fine = asyncio.create_task(engine.complete(ask("hello", max_tokens=5)))
        with pytest.raises(EngineError, match="does not fit the model's context of 128"):
            await engine.complete(ask("x" * 200))
        return await fine

    assert len(asyncio.run(both())) == 1


def test_a_model_error_reaches_every_open_request(tokenizer, ask):
    def fail(*_):
        raise RuntimeError("device lost")

    broken = random_model("qwen2", tokenizer)
    broken.base_model.register_forward_pre_hook(fail)

    async def several():
        engine = engine_of(broken, tokenizer, max_live_sequences=2)
        return await asyncio.gather(*(engine.complete(ask(p)) for p in prompts(5)), return_exceptions=True)

    errors = asyncio.run(several())
    assert [type(error) for error in errors] == [EngineUnavailableError] * 5
    assert all("device lost" in str(error) for error in errors)


def test_a_cancelled_request_frees_its_slots(qwen2, tokenizer, ask):
    async def cancel_one():
        engine = engine_of(qwen2, tokenizer, max_live_sequences=2)
        hog = asyncio.create_task(engine.complete(ask("long", n=2, max_tokens=100)))
        await asyncio.sleep(0.01)
        hog.cancel()
        return await asyncio.wait_for(engine.complete(ask("short", n=2, max_tokens=3)), timeout=30)

    assert len(asyncio.run(cancel_one())) == 2


def test_a_request_that_is_cancelled_while_it_waits_is_never_begun(qwen2, tokenizer, ask):
    async def cancel_the_second():
        engine = engine_of(qwen2, tokenizer, max_live_sequences=2)
        first, second, third = (
            asyncio.create_task(engine.complete(ask(prompt, n=2, temperature=0, max_tokens=20))) for prompt in "abc"
        )
        await asyncio.sleep(0)
        second.cancel()
        done = await asyncio.wait_for(asyncio.gather(first, third), timeout=30)
        assert second.cancelled()
        return done, engine

    (first, third), engine = asyncio.run(cancel_the_second())
    assert (first[0], third[0]) == tuple(
        asyncio.run(engine.complete(ask(prompt, temperature=0, max_tokens=20)))[0] for prompt in "ac"
    )


def test_a_closed_engine_refuses_what_was_in_flight_and_serves_again(qwen2, tokenizer, ask):
    async def close_in_the_middle():
        engine = engine_of(qwen2, tokenizer, max_live_sequences=2)
        calls = [asyncio.create_task(engine.complete(ask(p, n=2, max_tokens=100))) for p in ("live", "waiting")]
        for _ in range(12):
            await asyncio.sleep(0)
        await engine.close()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        return ended, await engine.complete(ask("again", max_tokens=3))

    ended, again = asyncio.run(asyncio.wait_for(close_in_the_middle(), timeout=30))
    assert [type(error) for error in ended] == [EngineUnavailableError] * 2
    assert len(again) == 1


def test_two_engines_in_one_loop_give_what_each_gives_alone(qwen2, tokenizer, ask, complete):
    few = [ask("few", seed=1, max_tokens=30)]
    many = [ask(prompt, n=4, seed=i, max_tokens=30) for i, prompt in enumerate(prompts(8))]

    async def together():
        both = (engine_of(qwen2, tokenizer), engine_of(qwen2, tokenizer))
        return await asyncio.gather(complete_all(both[0], few), complete_all(both[1], many))

    assert asyncio.run(together()) == [complete(engine_of(qwen2, tokenizer), asked) for asked in (few, many)]


def test_an_engine_serves_one_event_loop_after_another(qwen2, tokenizer, ask):
    engine = engine_of(qwen2, tokenizer)
    requests = [ask(prompt, seed=3, max_tokens=10) for prompt in prompts(3)]
    assert asyncio.run(complete_all(engine, requests)) == asyncio.run(complete_all(engine, requests))


def test_more_samples_than_slots_are_refused(qwen2, tokenizer, ask, complete):
    with pytest.raises(EngineError, match="max_live_sequences=2"):
        complete(engine_of(qwen2, tokenizer, max_live_sequences=2), [ask("x", n=3)])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request((Message("system", "be brief"), Message("user", "x"))), "only user messages"),
        (Request((Message("user", "x" * 200),)), "does not fit the model's context of 128"),
        (Request((Message("user", "x"),), max_tokens=126), "3 tokens and a completion of 126 do not fit"),
        (Request((Message("user", "x"),), n=300), "max_live_sequences=256"),
    ],
)
def test_a_check_tells_what_could_not_be_served(request_, message, qwen2, tokenizer):
    strict = character_tokenizer()
    strict.chat_template = (
        "{% if messages[0]['role'] == 'system' %}"
        "{{ raise_exception('only user messages') }}"
        "{% endif %}" + tokenizer.chat_template
    )
    with pytest.raises(EngineError, match=message):
        asyncio.run(engine_of(qwen2, strict).check(request_))


def test_a_check_passes_what_can_be_served_and_samples_nothing(qwen2, tokenizer, ask):
    engine = engine_of(qwen2, tokenizer)
    asyncio.run(engine.check(ask("x", n=2, max_tokens=8)))
    assert engine._prefixes.find(tokenizer.encode("<user>x<assistant>")) is None


def test_capacity_keeps_a_taker_for_every_slot(qwen2, tokenizer):
    assert engine_of(qwen2, tokenizer, max_live_sequences=8).capacity == 32


def confidence_by_hand(model, tokenizer, request, completion):
    """The definition of `Completion.confidence`, token by token in float64."""
    prompt = tokenizer.encode(f"<user>{request.messages[0].content}<assistant>", add_special_tokens=False)
    sampled = tokenizer.encode(completion.text + (completion.stop or ""), add_special_tokens=False)
    if completion.finish_reason == "stop" and completion.stop is None:
        sampled.append(tokenizer.eos_token_id)
    assert len(sampled) == completion.tokens
    with torch.no_grad():
        logits = model(torch.tensor([prompt + sampled])).logits[0, len(prompt) - 1 : -1].double()
    total = 0.0
    for p, token in zip(torch.softmax(logits, -1), sampled, strict=True):
        rivals = {*p.topk(5).indices.tolist(), token}
        total += (p[token] / sum(p[rival] for rival in rivals)).item()
    return total / len(sampled)


def test_confidence_is_the_mean_share_of_each_token_among_the_likeliest(tokenizer, ask, complete):
    model = random_model("qwen2", tokenizer)
    asked = [
        ask(prompt, n=2, seed=i, temperature=t, top_p=p, max_tokens=12, stop=stop, confidence=True)
        for i, (prompt, (t, p), stop) in enumerate(
            zip(prompts(6), [(0.0, 1.0), (0.7, 0.5), (3.0, 1.0)] * 2, [()] * 3 + [("1", "2")] * 3, strict=True)
        )
    ]
    unasked = [dataclasses.replace(request, confidence=False) for request in asked]
    completions = complete(engine_of(model, tokenizer), [r for pair in zip(asked, unasked, strict=True) for r in pair])
    for request, told, untold in zip(asked, completions[::2], completions[1::2], strict=True):
        assert untold == [dataclasses.replace(completion, confidence=None) for completion in told]
        for completion in told:
            by_hand = confidence_by_hand(model, tokenizer, request, completion)
            assert completion.confidence == pytest.approx(by_hand, rel=1e-4)


def test_a_model_with_sliding_windows_is_refused(tokenizer):
    config = Qwen2Config(vocab_size=len(tokenizer), **SIZES, use_sliding_window=True, sliding_window=8)
    config.layer_types = ["sliding_attention"] * 2
    with pytest.raises(EngineError, match="full attention"):
        engine_of(Qwen2ForCausalLM(config), tokenizer)
