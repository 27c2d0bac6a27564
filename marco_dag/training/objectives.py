"""The losses of the second stage, as pure functions of per-token log-probabilities.

Notation: P pairs, T positions; x prompt, y_w chosen, y_l rejected; pi the policy, ref the reference; a log-probability
log pi(y|x) is the sum over the completion's tokens. Everything keeps the dtype it is given. No model, no tokenizer and
no reduction over pairs here: who calls decides what a batch is, so that accumulated micro-batches add up exactly.

Sources: DPO (Rafailov et al. 2023, arXiv 2305.18290, equation 7), conservative DPO (Mitchell 2023, "A note on DPO with
noisy preferences", equation 3), the joint objective and prefix masking (Marco-o1 v2, arXiv 2503.01461, section 3.3).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PairTerms:
    """What the joint objective is made of, one value a pair: tensors [P]."""

    loss: Tensor
    """w·L_pref + α·L_SFT."""
    preference: Tensor
    """L_pref, in nats, ≥ 0."""
    sft: Tensor
    """L_SFT(y_w), nats a token, ≥ 0."""
    chosen_reward: Tensor
    """β·(log π(y_w|x) − log π_ref(y_w|x)); no gradient."""
    rejected_reward: Tensor
    """β·(log π(y_l|x) − log π_ref(y_l|x)); no gradient."""


def prefix_mask(chosen: Tensor, rejected: Tensor, chosen_real: Tensor, rejected_real: Tensor) -> Tensor:
    """Where chosen and rejected still share their longest common prefix: bool [P, T], the same for both rows.

    `chosen`, `rejected`: token ids [P, T], padded on the right to one length, prompt included; `*_real`: bool [P, T],
    false on padding. The paper's masking lets these tokens count zero in every log-probability of h.

    With summed log-probabilities that changes nothing: a shared token has the same log-probability in both rows, so it
    cancels in h. It does change length-normalised losses, and any forward in which the two rows differ (dropout).
    """
    same = (chosen == rejected) & chosen_real & rejected_real
    return same.long().cumprod(dim=1).bool()


def sequence_log_prob(log_probs: Tensor, mask: Tensor) -> Tensor:
    """Each row's log π(y|x), [N]: the sum of `log_probs` [N, T] where `mask` (bool [N, T]) counts the token."""
    return log_probs.masked_fill(~mask, 0.0).sum(dim=1)


def preference_logit(
    policy_chosen: Tensor, policy_rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor
) -> Tensor:
    """The h of DPO, [P] from four [P]: (log π(y_w|x) − log π_ref(y_w|x)) − (log π(y_l|x) − log π_ref(y_l|x))."""
    return (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)


def preference_loss(h: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """cDPO: −(1−ε)·log σ(βh) − ε·log σ(−βh), elementwise.

    `beta` > 0 holds the policy to the reference; `label_smoothing` ε in [0, 0.5) is the assumed share of flipped
    preferences, 0 gives DPO. For ε > 0 the minimum is at βh = log((1−ε)/ε), beyond which the loss pulls back. Agrees
    with TRL's `sigmoid` loss at ε = 0; TRL 1.16 accepts `label_smoothing` there and ignores it.
    """
    logit = beta * h
    return -(1.0 - label_smoothing) * F.logsigmoid(logit) - label_smoothing * F.logsigmoid(-logit)


def sft_loss(log_probs: Tensor, mask: Tensor) -> Tensor:
    """Each row's own token mean of −log π, [N]: `log_probs` [N, T] over the tokens of `mask` (bool [N, T]).

    A mean within the pair, not over the batch's tokens as TRL's `sft` term takes it: a batch's token mean weighs a pair
    by what happens to share its micro-batch, so that gradient accumulation would change the objective.
    """
    return -sequence_log_prob(log_probs, mask) / mask.sum(dim=1).clamp(min=1)


def joint_terms(
    log_probs: Tensor,
    completion: Tensor,
    counted: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    beta: float,
    label_smoothing: float,
    preference_weight: float,
    sft_weight: float,
) -> PairTerms:
    """The joint objective w·L_pref + α·L_SFT(y_w) of each pair.

    `log_probs` [2P, T]: the policy's, the chosen rows first, then the rejected in the same order; `completion` (bool
    [2P, T]): the completions' tokens, over which L_SFT runs; `counted` (bool [2P, T]): those that count in h, which is
    `completion` or what `prefix_mask` leaves of it; `reference_*` [P]: the reference's log-probabilities, of the same
    tokens.
    """
    chosen, rejected = sequence_log_prob(log_probs, counted).chunk(2)  # [P], [P]
    preference = preference_loss(
        preference_logit(chosen, rejected, reference_chosen, reference_rejected), beta, label_smoothing
    )
    pairs = len(preference)
    sft = sft_loss(log_probs[:pairs], completion[:pairs])
    return PairTerms(
        loss=preference_weight * preference + sft_weight * sft,
        preference=preference,
        sft=sft,
        chosen_reward=beta * (chosen - reference_chosen).detach(),
        rejected_reward=beta * (rejected - reference_rejected).detach(),
    )


def next_token_mask(mask: Tensor) -> Tensor:
    """`mask` [N, T] of tokens as the mask [N, T−1] of the positions that predict them, bool."""
    return mask[:, 1:].to(torch.bool)
