"""Engines from folders: what is loaded, what is refused, and what identifies a checkpoint."""

import json

import pytest

from marco_dag.engines import TransformersConfig, checkpoint_digest, load_engine
from marco_dag.errors import EngineError


@pytest.fixture
def checkpoint(qwen2, tokenizer, tmp_path):
    qwen2.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_saved_checkpoint_answers_like_the_model_it_was(checkpoint, ask, complete):
    engine = load_engine(checkpoint, TransformersConfig(device="cpu"))
    assert engine.model_digest == checkpoint_digest(checkpoint)
    assert complete(engine, [ask("hello", max_tokens=4)])[0][0].tokens <= 4


def test_the_digest_follows_the_content_not_the_place(checkpoint, tmp_path_factory):
    before = checkpoint_digest(checkpoint)
    moved = tmp_path_factory.mktemp("elsewhere") / "copy"
    checkpoint.rename(moved)
    assert checkpoint_digest(moved) == before
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps(config | {"rope_theta": 1}))
    assert checkpoint_digest(moved) != before


def test_pickled_weights_are_refused(checkpoint):
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    with pytest.raises(EngineError, match="safetensors"):
        load_engine(checkpoint, TransformersConfig())


def test_a_tokenizer_without_chat_template_is_refused(checkpoint):
    (checkpoint / "chat_template.jinja").unlink()
    with pytest.raises(EngineError, match="chat template"):
        load_engine(checkpoint, TransformersConfig())


def test_a_template_that_refuses_the_conversation_says_so(qwen2, checkpoint, ask, complete):
    (checkpoint / "chat_template.jinja").write_text("{{ raise_exception('System role not supported') }}")
    engine = load_engine(checkpoint, TransformersConfig())
    with pytest.raises(EngineError, match=r"\(user\): System role not supported"):
        complete(engine, [ask("hello")])
