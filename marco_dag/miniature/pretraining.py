"""Training a tiny causal language model from scratch on a stream of traces, in minutes on two CPU cores.

Muon on the matrices of the blocks, AdamW on the rest, cosine decay. Batches hold traces of like length, so that little
is padding. It knows nothing of roles or folders (`marco_dag.miniature.models`), and does not resume within one model.
"""

import math
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import polars as pl
import torch

from marco_dag.miniature.config import PretrainingConfig
from marco_dag.miniature.tokenizer import ASSISTANT, EOS, USER
from marco_dag.miniature.traces import Trace
from marco_dag.progress import progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

IGNORED = -100
"""The label of a token that is read but not learned."""

_BUCKET = 64
"""Examples sorted by length at a time: enough to save padding, too few for a batch to hold one task alone."""

_WARMUP_SHARE = 0.04
_LAST_RATE = 0.02
_LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class Example:
    """A tokenized trace."""

    tokens: list[int]
    labels: list[int]
    """As `tokens`, with IGNORED where nothing is learned; same length."""


def encode_trace(tokenizer: "PreTrainedTokenizerFast", trace: Trace) -> Example:
    """`<user>prompt<assistant>response<eos>`; the learned segments and the end carry labels."""
    pieces = [(f"{USER}{trace.prompt}{ASSISTANT}", False), *((s.text, s.learned) for s in trace.segments), (EOS, True)]
    example = Example([], [])
    for (_, learned), tokens in zip(pieces, tokenizer([text for text, _ in pieces]).input_ids, strict=True):
        example.tokens.extend(tokens)
        example.labels.extend(tokens if learned else [IGNORED] * len(tokens))
    return example


def bucket_batches(examples: Iterable[Example], tokens_per_step: int, rng: random.Random) -> Iterator[list[Example]]:
    """Batches of about `tokens_per_step` padded tokens, each of like lengths, in random order within a bucket."""
    stream = iter(examples)
    while bucket := list(islice(stream, _BUCKET)):
        bucket.sort(key=lambda example: len(example.tokens))
        batches: list[list[Example]] = [[]]
        for example in bucket:
            if batches[-1] and len(example.tokens) * (len(batches[-1]) + 1) > tokens_per_step:
                batches.append([])
            batches[-1].append(example)
        rng.shuffle(batches)
        yield from batches


def pretrain(
    model: "PreTrainedModel", examples: Iterable[Example], config: PretrainingConfig, *, seed: int, title: str
) -> pl.DataFrame:
    """Train `model` in place for `config.steps` steps; returns the columns step, loss and tokens_per_second.

    `loss` is the step's mean over the learned tokens, in nats. `examples` must not run out before the last step.
    """
    optimizers = _make_optimizers(model, config.learning_rate)
    batches = bucket_batches(examples, config.tokens_per_step, random.Random(seed))
    rows: list[tuple[int, float, float]] = []
    model.train()
    with progress(title, config.steps, "steps") as bar:
        for step in range(config.steps):
            start = time.perf_counter()
            _set_learning_rate(optimizers, config.learning_rate * _rate(step, config.steps))
            tokens, labels = _pad(next(batches))
            loss = _loss(model, tokens, labels)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), _LARGEST_GRADIENT)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            rows.append((step + 1, loss.item(), tokens.numel() / (time.perf_counter() - start)))
            bar.advance(loss=f"{rows[-1][1]:.3f}")
    model.eval()
    return pl.DataFrame(rows, schema=["step", "loss", "tokens_per_second"], orient="row")


def _make_optimizers(model: "PreTrainedModel", learning_rate: float) -> Sequence[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for embeddings, biases and norms; one learning rate suits both."""
    embeddings = {id(parameter) for parameter in model.get_input_embeddings().parameters()}
    matrices = [p for p in model.parameters() if p.ndim == 2 and id(p) not in embeddings]
    rest = [p for p in model.parameters() if p.ndim != 2 or id(p) in embeddings]
    return (
        torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    )


def _rate(step: int, steps: int) -> float:
    """Share of the peak learning rate at a 0-based step: linear warm-up, then cosine decay to 2%."""
    warmup = min(1.0, (step + 1) / math.ceil(_WARMUP_SHARE * steps))
    return warmup * (_LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _set_learning_rate(optimizers: Sequence[torch.optim.Optimizer], learning_rate: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate


def _pad(batch: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, each [batch, longest], padded on the right: causal attention needs no mask there."""
    longest = max(len(example.tokens) for example in batch)
    tokens = [example.tokens + [0] * (longest - len(example.tokens)) for example in batch]
    labels = [example.labels + [IGNORED] * (longest - len(example.labels)) for example in batch]
    return torch.tensor(tokens), torch.tensor(labels)


def _loss(model: "PreTrainedModel", tokens: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=tokens, use_cache=False).logits[:, :-1]  # [batch, longest - 1, vocabulary]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
