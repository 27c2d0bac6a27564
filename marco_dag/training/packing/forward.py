"""The packed forward: rows in, log-probabilities of paths out.

A model gets it as a keyword of its own `forward`, as TRL gives it its fused head, so that whatever wraps the model
(adapters, mixed precision, several processes) wraps this too.
"""

import functools
import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from marco_dag.errors import TrainingError
from marco_dag.training.packing.batch import PackedRows
from marco_dag.training.packing.mask import block_mask, dense_mask

_ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""Those that are tested: rotary positions as given, one mask for all layers, and logits that are the head's output."""

_LOGITS = 2**24
"""Logits that are in memory at once, at most."""


@dataclass
class PathScores(ModelOutput):
    """What a model makes of N sequences' next tokens: [N, T−1] each, 0 where nothing is scored."""

    log_probs: Tensor
    """log π of the token, float32 or wider."""
    entropy: Tensor | None = None
    """Of the distribution that the token is from, nats; no gradient. Where asked for."""
    is_top1: Tensor | None = None
    """1 where the token is the most likely one; no gradient. Where asked for."""


def check_packable(config: PretrainedConfig) -> None:
    """TrainingError unless models of this configuration give a packed path what they give it alone."""
    if config.model_type not in _ARCHITECTURES:
        raise TrainingError(
            f"tree packing is known to be exact for {', '.join(_ARCHITECTURES)}, and the checkpoint is a "
            f"{config.model_type}; set packing: none for this stage"
        )
    layers = getattr(config, "layer_types", None) or ["full_attention"]
    if set(layers) != {"full_attention"}:
        raise TrainingError(
            "tree packing replaces the attention mask of every layer, and this checkpoint has layers of "
            f"{', '.join(sorted({*layers} - {'full_attention'}))}; set packing: none for this stage"
        )


def add_packed_forward(model: PreTrainedModel, forward_tokens: int, *, measured: bool) -> None:
    """Let `model(packed=rows)` give the PathScores of `rows`, entropy and hits if `measured`; else all is as before.

    `forward_tokens`, ≥ 1: places that are computed at once. Where there are more, the rows go through the model in
    parts, and under a gradient each part is computed once more on the way back, so that only one part's activations are
    ever in memory. Give it before adapters are added.
    """
    original = model.forward

    @functools.wraps(type(model).forward)
    def forward(self: PreTrainedModel, *args: Any, packed: PackedRows | None = None, **kwargs: Any) -> Any:  # noqa: ANN401
        return original(*args, **kwargs) if packed is None else _score_paths(self, packed, forward_tokens, measured)

    model.forward = types.MethodType(forward, model)


def _score_paths(model: PreTrainedModel, packed: PackedRows, forward_tokens: int, measured: bool) -> PathScores:
    parts = _parts(packed, forward_tokens)
    score = functools.partial(checkpoint, _score_places, use_reentrant=False) if len(parts) > 1 else _score_places
    columns = _joined([score(model, measured, *part) for part in parts])
    return PathScores(*(_to_paths(column, packed["scores"]) for column in columns))


def _parts(packed: PackedRows, forward_tokens: int) -> list[tuple[Tensor, ...]]:
    """Tokens, positions, ends, parents and children of as many rows at a time as `forward_tokens` allows, ≥ 1."""
    rows, width = packed["tokens"].shape
    size = max(1, forward_tokens // width)
    if rows <= size:
        return [(packed["tokens"], packed["positions"], packed["ends"], packed["parents"], packed["children"])]
    row_of = packed["parents"] // width
    starts = torch.arange(0, rows, size, device=row_of.device)
    cuts = [*torch.searchsorted(row_of, starts).tolist(), len(row_of)]
    return [
        (
            *(packed[name][start : start + size] for name in ("tokens", "positions", "ends")),
            packed["parents"][cuts[part] : cuts[part + 1]] - start * width,
            packed["children"][cuts[part] : cuts[part + 1]],
        )
        for part, start in enumerate(range(0, rows, size))
    ]


def _score_places(
    model: PreTrainedModel,
    measured: bool,
    tokens: Tensor,
    positions: Tensor,
    ends: Tensor,
    parents: Tensor,
    children: Tensor,
) -> tuple[Tensor, ...]:
    """Of each scored child the log-probability and, if `measured`, the entropy and the hit: [E] each."""
    mask = block_mask(ends) if model.config._attn_implementation == "flex_attention" else dense_mask(ends)
    output = model.base_model(input_ids=tokens, position_ids=positions, attention_mask=mask, use_cache=False)
    states = output.last_hidden_state.flatten(0, 1).index_select(0, parents)  # [R, L, H] → [E, H]
    head = model.get_output_embeddings()
    size = max(1, _LOGITS // head.weight.shape[0])
    if len(children) <= size:
        return _score_tokens(head, states, children, measured)
    score = functools.partial(checkpoint, _score_tokens, use_reentrant=False, preserve_rng_state=False)
    chunks = zip(torch.split(states, size), torch.split(children, size), strict=True)
    return _joined([score(head, *chunk, measured) for chunk in chunks])


def _score_tokens(head: torch.nn.Module, states: Tensor, tokens: Tensor, measured: bool) -> tuple[Tensor, ...]:
    logits = head(states)  # [E, V]
    log_probs = torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    token_log_probs = log_probs.gather(-1, tokens[:, None]).squeeze(-1)
    if not measured:
        return (token_log_probs,)
    with torch.no_grad():
        entropy = torch.special.entr(log_probs.exp()).sum(dim=-1)
        is_top1 = (log_probs.argmax(dim=-1) == tokens).to(log_probs.dtype)
    return token_log_probs, entropy, is_top1


def _joined(pieces: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.cat(column) for column in zip(*pieces, strict=True))


def _to_paths(scored: Tensor, scores: Tensor) -> Tensor:
    """[N, T−1] from the scored places' values [E]."""
    values = torch.cat([scored.new_zeros(1), scored])
    # Not values[scores]: its gradient is summed in an order that depends on threads.
    return values.index_select(0, scores.flatten()).view(scores.shape)
