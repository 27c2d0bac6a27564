"""Choosing the next token of many sequences, each with its own temperature, nucleus and random stream.

Also how sure the model was of what was chosen (Marco-o1 v1, arXiv 2411.14405 §4).
"""

import numpy as np
import torch
from torch import Tensor

_RIVALS = 5
"""The likeliest tokens that a token's probability is compared with."""


def uniform_stream(seed: int, sample: int, count: int) -> Tensor:
    """`count` uniform numbers in [0, 1): all the randomness of one sample, whoever its request is batched with."""
    stream = np.random.Generator(np.random.Philox(key=[seed, sample])).random(count, dtype=np.float32)
    return torch.from_numpy(stream)


def choose_tokens(logits: Tensor, temperature: Tensor, top_p: Tensor, uniforms: Tensor) -> Tensor:
    """The next tokens [B] for logits [B, V].

    `temperature` [B] ≥ 0 (0: the largest logit), `top_p` [B] in (0, 1], `uniforms` [B] in [0, 1) pick the token whose
    interval of the cumulated distribution they fall into.
    """
    greedy = temperature == 0
    best = logits.argmax(-1)
    if bool(greedy.all()):
        return best
    scaled = logits.float() / torch.where(greedy, 1.0, temperature)[:, None]
    probabilities = torch.softmax(scaled, -1)  # [B, V]
    if bool((top_p < 1).any()):
        probabilities = _nucleus(probabilities, top_p)
    cumulated = probabilities.cumsum(-1)
    picked = torch.searchsorted(cumulated, (uniforms[:, None] * cumulated[:, -1:]), right=True)[:, 0]
    return torch.where(greedy, best, picked.clamp_(max=logits.shape[-1] - 1))


def token_confidence(logits: Tensor, tokens: Tensor) -> Tensor:
    """p(token) / Σ p(the five likeliest and the token), in (0, 1], for logits [B, V] and tokens [B]; returns [B].

    p = softmax(logits): the model's own distribution, whatever temperature and nucleus the tokens were chosen by.
    """
    own = logits.gather(-1, tokens[:, None]).float()  # [B, 1]
    likeliest, which = logits.float().topk(min(_RIVALS, logits.shape[-1]), -1)  # [B, 5]
    rivals = likeliest.masked_fill(which == tokens[:, None], -torch.inf)
    return torch.softmax(torch.cat((own, rivals), -1), -1)[:, 0]


def _nucleus(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """Zero all but the likeliest tokens of [B, V] that together reach `top_p`; the first is always kept."""
    ordered, tokens = probabilities.sort(-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return torch.zeros_like(probabilities).scatter(-1, tokens, ordered * (before < top_p[:, None]))
