"""Engines from folders: what is loaded, what is refused, and what identifies a checkpoint."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from marco_dag.engines import TransformersConfig, checkpoint_digest, fetch_checkpoint, load_engine
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


def test_a_folder_is_fetched_from_nowhere(checkpoint):
    assert fetch_checkpoint(str(checkpoint)) == checkpoint.resolve()


def _fetch_offline(name: str, home: Path) -> subprocess.CompletedProcess[str]:
    script = f"from marco_dag.engines import fetch_checkpoint; print(fetch_checkpoint({name!r}))"
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


def test_a_name_of_the_hub_is_its_folder_in_the_hub_s_cache(checkpoint, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    cached = home / "hub" / "models--someone--small"
    snapshot = cached / "snapshots" / ("a" * 40)
    shutil.copytree(checkpoint, snapshot)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("a" * 40)
    done = _fetch_offline("someone/small", home)
    assert done.stdout.strip() == str(snapshot), done.stderr
    assert checkpoint_digest(snapshot) == checkpoint_digest(checkpoint)


def test_a_model_that_cannot_be_reached_says_what_to_do(tmp_path):
    done = _fetch_offline("someone/unknown", tmp_path)
    assert "EngineError: someone/unknown: is no folder here and cannot be fetched from the hub" in done.stderr
    assert "download it elsewhere and name its folder" in done.stderr


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
