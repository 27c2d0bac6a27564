"""Random models small enough to be built for every test, behind a character tokenizer."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from marco_dag.engines import Completion, Engine, Message, Request, complete_all

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "eos_token_id": 1,
    "pad_token_id": 0,
}


def character_tokenizer() -> PreTrainedTokenizerFast:
    special = ["<pad>", "<eos>", "<user>", "<assistant>"]
    vocabulary = {piece: i for i, piece in enumerate([*special, *map(chr, range(32, 127))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    fast.chat_template = "{% for m in messages %}<user>{{ m['content'] }}{% endfor %}<assistant>"
    return fast


def random_model(architecture: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    config, model = {
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
        "llama": (LlamaConfig, LlamaForCausalLM),
    }[architecture]
    torch.manual_seed(0)
    made = model(config(vocab_size=len(tokenizer), **SIZES)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(8 if parameter.ndim == 2 else 1)  # sharp distributions: every token matters
    return made


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return character_tokenizer()


@pytest.fixture(scope="session")
def qwen2(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    return random_model("qwen2", tokenizer)


@pytest.fixture
def ask() -> Callable[..., Request]:
    def make(prompt: str, **fields: object) -> Request:
        return Request((Message("user", prompt),), **fields)

    return make


@pytest.fixture
def complete() -> Callable[[Engine, Sequence[Request]], list[Sequence[Completion]]]:
    return lambda engine, requests: asyncio.run(complete_all(engine, requests))
