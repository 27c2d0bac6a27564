"""`marco serve --engine vllm` with a real vLLM: it serves, and ends with all its processes when it is told to stop.

Needs `make install-vllm`; without it the test is skipped.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.engines.conftest import character_tokenizer
from tests.engines.test_guarded_server import is_gone, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PYTHON = Path(__file__).parents[2] / ".venv-vllm/bin/python"
COMMAND = "import sys; from marco_dag.cli import main; sys.exit(main())"
PROFILE = f"""
name: served
engine:
  kind: vllm
  python: {PYTHON}
  device: cpu
  kv_cache_gb: 1
  max_model_len: 128
  arguments: [--dtype, float32]
  environment: {{OMP_NUM_THREADS: "1", VLLM_CPU_OMP_THREADS_BIND: nobind}}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A random model whose heads are of a size that vLLM knows."""
    tokenizer = character_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.mark.skipif(not PYTHON.exists(), reason="no vLLM here: make install-vllm")
def test_a_checkpoint_is_served_by_vllm_to_those_who_have_the_key(folder, tmp_path, post, get):
    profile = tmp_path / "served.yaml"
    profile.write_text(PROFILE)
    root = tmp_path / "data"
    root.mkdir()
    arguments = ["serve", str(folder), "--profile", str(profile), "--root", str(root), "--port", "0"]
    command = [sys.executable, "-c", COMMAND, *arguments, "--api-key-variable", "SERVED_KEY"]
    environment = os.environ | {"SERVED_KEY": "open-sesame"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if line.startswith("serving "):
                    break
            assert said, "it ended without a word"
            assert said[-1].startswith("serving tiny on http://127.0.0.1:"), "".join(said)
            url = said[-1].split()[-1]
            pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
            key = {"Authorization": "Bearer open-sesame"}
            assert get(f"{url}/models")[0] == 401
            payload = {"model": "tiny", "prompt": [5, 6, 7], "n": 2, "seed": 3, "max_tokens": 4}
            status, body = post(f"{url}/completions", payload, headers=key)
            assert (status, len(body["choices"]), body["usage"]["prompt_tokens"]) == (200, 2, 3)
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            assert process.wait(timeout=120) == 130
        finally:
            process.kill()
    wait_until(lambda: all(is_gone(pid) for pid in pids))
    [log] = (root / "logs" / "engines").glob("*-serve-*.log")
    assert "open-sesame" not in log.read_text()
