"""The losses of the second stage, as pure functions of per-token log-probabilities.

Notation: P pairs, T positions; x prompt, y_w chosen, y_l rejected; pi the policy, ref the reference; a log-probability
log pi(y|x) is the sum over the completion's tokens. Everything keeps the dtype it is given. No model, no tokenizer and
no reduction over pairs here: who calls decides what a batch is, so that accumulated micro-batches add up exactly.

Sources: DPO (Rafailov et al. 2023, arXiv 2305.18290, equation 7), conservative DPO (Mitchell 2023, "A note on DPO with
noisy preferences", equation 3), the joint objective and prefix masking (Marco-o1 v2, arXiv 2503.01461, section 3.3),
length-normalised DPO (Tulu 3, Lambert et al. 2024, arXiv 2411.15124, section 5), LD-DPO (Liu et al. 2024, arXiv
2409.06411).
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
    """β·(log π(y_w|x) − log π_ref(y_w|x)), each as it counts in h; no gradient."""
    rejected_reward: Tensor
    """β·(log π(y_l|x) − log π_ref(y_l|x)), each as it counts in h; no gradient."""


def prefix_mask(chosen: Tensor, rejected: Tensor, chosen_real: Tensor, rejected_real: Tensor) -> Tensor:
    """Where chosen and rejected still share their longest common prefix: bool [P, T], the same for both rows.

    `chosen`, `rejected`: token ids [P, T], padded on the right to one length, prompt included; `*_real`: bool [P, T],
    false on padding. The paper's masking lets these tokens count zero in every log-probability of h.

    With summed log-probabilities that changes nothing: a shared token has the same log-probability in both rows, so it
    cancels in h. The same holds for LD-DPO, whose weight is 1 on every token that could be shared. It does change
    length-normalised losses, L_SFT if that is masked too, and any forward in which the two rows differ (dropout).
    """
    same = (chosen == rejected) & chosen_real & rejected_real
    return same.long().cumprod(dim=1).bool()


def sequence_log_prob(log_probs: Tensor, mask: Tensor) -> Tensor:
    """Each row's log π(y|x), [N]: the sum of `log_probs` [N, T] where `mask` (bool [N, T]) counts the token."""
    return log_probs.masked_fill(~mask, 0.0).sum(dim=1)


def pair_log_probs(
    log_probs: Tensor, counted: Tensor, *, length_normalised: bool = False, ld_alpha: float = 1.0
) -> tuple[Tensor, Tensor]:
    """The chosen and the rejected sides' log-probabilities as they count in h: [P], [P].

    `log_probs` [2P, T]: the chosen rows first, then the rejected in the same order; `counted` (bool [2P, T]): the
    tokens that count. Left alone it is their sum, as in DPO.

    `ld_alpha` in [0, 1] weighs the tokens of the longer side beyond the length of the shorter, LD-DPO's
    Σ_{i ≤ l} log π(y_i) + α·Σ_{i > l} log π(y_i) with l = min(|y_w|, |y_l|); 1 is DPO. As TRL's `ld_alpha`.

    `length_normalised` divides each side by the number of its counted tokens, (1/|y|)·log π(y|x), so that h is in nats
    a token and wants a larger β (Tulu 3 uses 5). As TRL's `sigmoid_norm`.
    """
    if ld_alpha != 1.0:
        # [2P, T]: the place of each counted token among its row's, from 1; shorter: [2P, 1]
        place = counted.cumsum(dim=1)
        shorter = place[:, -1].view(2, -1).amin(dim=0).repeat(2)[:, None]
        log_probs = torch.where(place > shorter, ld_alpha * log_probs, log_probs)
    sums = sequence_log_prob(log_probs, counted)
    if length_normalised:
        sums = sums / counted.sum(dim=1).clamp(min=1)
    chosen, rejected = sums.chunk(2)
    return chosen, rejected


def preference_logit(
    policy_chosen: Tensor, policy_rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor
) -> Tensor:
    """The h of DPO, [P] from four [P]: (log π(y_w|x) − log π_ref(y_w|x)) − (log π(y_l|x) − log π_ref(y_l|x))."""
    return (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)


def preference_loss(h: Tensor, beta: float, label_smoothing: float | Tensor = 0.0) -> Tensor:
    """cDPO: −(1−ε)·log σ(βh) − ε·log σ(−βh), elementwise.

    `beta` > 0 holds the policy to the reference; `label_smoothing` ε in [0, 0.5], for all pairs or of each (a tensor of
    h's shape), is the assumed chance that the preference is flipped; 0 gives DPO. For ε > 0 the minimum is at
    βh = log((1−ε)/ε), beyond which the loss pulls back; at 0.5 the pair says only that neither is better. Agrees with
    TRL's `sigmoid` loss at ε = 0; TRL 1.16 accepts `label_smoothing` there and ignores it. Its `aot` loss, of one pair
    alone, is this one.
    """
    logit = beta * h
    return -(1.0 - label_smoothing) * F.logsigmoid(logit) - label_smoothing * F.logsigmoid(-logit)


def sft_loss(log_probs: Tensor, mask: Tensor) -> Tensor:
    """L_SFT, each row's own token mean of −log π, [N]: `log_probs` [N, T] over the tokens of `mask` (bool [N, T]).

    A mean within the pair, not over the batch's tokens as TRL's `sft` term takes it: a batch's token mean weighs a pair
    by what happens to share its micro-batch, so that gradient accumulation would change the objective.
    """
    return -sequence_log_prob(log_probs, mask) / mask.sum(dim=1).clamp(min=1)


def joint_terms(
    log_probs: Tensor,
    imitated: Tensor,
    counted: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    *,
    beta: float,
    label_smoothing: float | Tensor,
    preference_weight: float,
    sft_weight: float,
    length_normalised: bool = False,
    ld_alpha: float = 1.0,
) -> PairTerms:
    """The joint objective w·L_pref + α·L_SFT(y_w) of each pair.

    `log_probs` [2P, T]: the policy's, the chosen rows first, then the rejected in the same order; `imitated` (bool
    [2P, T]): the tokens over which L_SFT runs; `counted` (bool [2P, T]): those that count in h. Each is the
    completions' tokens or what `prefix_mask` leaves of them. `reference_*` [P]: the reference's `pair_log_probs`, of
    the same tokens under the same `length_normalised` and `ld_alpha`. `label_smoothing`: one ε, or one a pair, [P].
    """
    chosen, rejected = pair_log_probs(log_probs, counted, length_normalised=length_normalised, ld_alpha=ld_alpha)
    preference = preference_loss(
        preference_logit(chosen, rejected, reference_chosen, reference_rejected), beta, label_smoothing
    )
    pairs = len(preference)
    sft = sft_loss(log_probs[:pairs], imitated[:pairs])
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
