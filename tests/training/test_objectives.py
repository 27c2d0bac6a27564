"""The second stage's losses against arithmetic by hand, in float64."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.curation import common_prefix_length
from marco_dag.training.objectives import (
    joint_terms,
    next_token_mask,
    preference_logit,
    preference_loss,
    prefix_mask,
    sequence_log_prob,
    sft_loss,
)

BETA, EPSILON, WEIGHT, ALPHA = 0.3, 0.2, 0.7, 1.5

PROMPT, CHOSEN, REJECTED = [3, 9, 4], [20, 21, 22, 30, 31, 1], [20, 21, 40, 41, 42, 43, 44, 1]
PAIRS = [
    (PROMPT, CHOSEN, REJECTED),
    ([3, 12, 13, 14, 4], [25, 26, 1], [25, 1]),
    ([3, 4], [27, 1], [28, 29, 27, 27, 1]),
]


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_cdpo_by_hand():
    # h = 2, β = 0.5: βh = 1; σ(1) = 0.7310585786, σ(−1) = 0.2689414214
    expected = -(0.8) * math.log(0.7310585786300049) - 0.2 * math.log(0.2689414213699951)
    assert preference_loss(double(2.0), 0.5, 0.2).item() == pytest.approx(expected, abs=1e-15)
    assert preference_loss(double(2.0), 0.5).item() == pytest.approx(-math.log(0.7310585786300049), abs=1e-15)


def test_label_smoothing_pulls_back_beyond_its_own_odds():
    h = double(math.log(0.8 / 0.2) / BETA).requires_grad_()
    preference_loss(h, BETA, 0.2).sum().backward()
    assert h.grad.item() == pytest.approx(0.0, abs=1e-15)

    beyond = double(math.log(0.8 / 0.2) / BETA + 1).requires_grad_()
    preference_loss(beyond, BETA, 0.2).sum().backward()
    assert beyond.grad.item() > 0


def test_the_loss_stays_finite_where_the_sigmoid_does_not():
    assert preference_loss(double(-1e4, 1e4), 1.0).tolist() == [1e4, 0.0]


def test_h_is_the_difference_of_the_log_ratios():
    assert preference_logit(double(-1.0), double(-5.0), double(-2.0), double(-3.0)).item() == (-1 + 2) - (-5 + 3)


def test_sft_is_each_pairs_own_token_mean():
    log_probs = double([-1.0, -2.0, -3.0, 0.0], [-4.0, 0.0, 0.0, 0.0])
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    assert sft_loss(log_probs, mask).tolist() == [2.0, 4.0]  # the batch's token mean would be 2.5 for both


def test_the_prefix_ends_at_the_first_difference_and_never_comes_back():
    chosen = torch.tensor([[3, 9, 20, 21, 30, 22]])
    rejected = torch.tensor([[3, 9, 20, 40, 30, 22]])
    everywhere = torch.ones_like(chosen, dtype=torch.bool)
    assert prefix_mask(chosen, rejected, everywhere, everywhere).tolist() == [[True] * 3 + [False] * 3]


def test_padding_is_no_prefix():
    rows = torch.tensor([[3, 9, 0, 0]])
    real = torch.tensor([[True, True, False, False]])
    assert prefix_mask(rows, rows, real, real).tolist() == [[True, True, False, False]]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=8), st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_the_mask_counts_what_curation_counts(first, second):
    ids, real = padded([first, second])
    shared = prefix_mask(ids[:1], ids[1:], real[:1], real[1:])
    assert shared.sum().item() == common_prefix_length(first, second)


def padded(rows):
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])


def batch_of(pairs, *, masked):
    """Ids, attention, completion and counted masks of pairs, chosen rows first."""
    sides = [[prompt + side for prompt, *both in pairs for side in both[which : which + 1]] for which in (0, 1)]
    ids, real = padded(sides[0] + sides[1])
    starts = torch.tensor([len(prompt) for prompt, *_ in pairs] * 2)
    completion = real & (torch.arange(ids.shape[1]) >= starts[:, None])
    counted = completion
    if masked:
        counted = completion & ~prefix_mask(*ids.chunk(2), *real.chunk(2)).repeat(2, 1)
    return ids, real, completion, counted


def log_probs_of(model, ids, real):
    logits = model(input_ids=ids, attention_mask=real.long(), use_cache=False).logits[:, :-1]
    return logits.log_softmax(dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)


def by_hand(model, reference, pairs, *, masked):
    """The joint objective, pair after pair, token after token, one unpadded sequence a forward."""

    def token_log_probs(net, prompt, completion):
        logits = net(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0]
        total = [logits[at] - torch.logsumexp(logits[at], dim=0) for at in range(len(logits))]
        return [total[len(prompt) + at - 1][token] for at, token in enumerate(completion)]

    losses = []
    for prompt, chosen, rejected in pairs:
        skip = 0
        while masked and chosen[skip] == rejected[skip]:
            skip += 1
        ratios = []
        for completion in (chosen, rejected):
            policy_side = token_log_probs(model, prompt, completion)
            with torch.no_grad():
                reference_side = token_log_probs(reference, prompt, completion)
            ratios.append(sum(policy_side[skip:]) - sum(reference_side[skip:]))
        h = ratios[0] - ratios[1]
        right = 1 / (1 + torch.exp(-BETA * h))
        preference = -(1 - EPSILON) * torch.log(right) - EPSILON * torch.log(1 - right)
        sft = -sum(token_log_probs(model, prompt, chosen)) / len(chosen)
        losses.append(WEIGHT * preference + ALPHA * sft)
    return sum(losses) / len(losses)


def ours(model, reference, pairs, *, masked, epsilon=EPSILON, weight=WEIGHT, alpha=ALPHA):
    ids, real, completion, counted = batch_of(pairs, masked=masked)
    with torch.no_grad():
        sides = sequence_log_prob(log_probs_of(reference, ids, real), next_token_mask(counted)).chunk(2)
    return joint_terms(
        log_probs_of(model, ids, real),
        next_token_mask(completion),
        next_token_mask(counted),
        *sides,
        beta=BETA,
        label_smoothing=epsilon,
        preference_weight=weight,
        sft_weight=alpha,
    )


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.fixture(autouse=True)
def norms_in_float64(monkeypatch):
    """Qwen2's norm computes in float32 whatever it is given, which alone would cost the gradients eight digits."""

    def forward(norm, states):
        return norm.weight * states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)

    monkeypatch.setattr("transformers.models.qwen2.modeling_qwen2.Qwen2RMSNorm.forward", forward)


@pytest.fixture
def policy(new_model):
    return new_model(seed=1).double().eval()


@pytest.fixture
def reference(new_model):
    return new_model(seed=2).double().eval()


@pytest.mark.parametrize("masked", [False, True])
def test_joint_loss_and_gradient_agree_with_the_plain_reference(policy, reference, masked):
    loss = ours(policy, reference, PAIRS, masked=masked).loss.mean()
    expected = by_hand(policy, reference, PAIRS, masked=masked)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)

    mine, theirs = gradients(policy, loss), gradients(policy, expected)
    assert any(gradient.abs().max() > 1e-3 for gradient in theirs.values())
    for name, gradient in theirs.items():
        torch.testing.assert_close(mine[name], gradient, rtol=0, atol=1e-12, msg=name)


def test_prefix_masking_cancels_exactly_in_summed_log_probs(policy, reference):
    """Shared tokens have the same log-probability in both rows: h, its loss and its gradient do not change.

    So the paper's prefix masking is an identity for this loss; what it reports as its gain must come from elsewhere.
    """
    unmasked = ours(policy, reference, PAIRS, masked=False, weight=1.0, alpha=0.0)
    masked = ours(policy, reference, PAIRS, masked=True, weight=1.0, alpha=0.0)
    torch.testing.assert_close(masked.preference, unmasked.preference, rtol=0, atol=1e-14)

    before, after = gradients(policy, unmasked.loss.mean()), gradients(policy, masked.loss.mean())
    for name, gradient in before.items():
        torch.testing.assert_close(after[name], gradient, rtol=0, atol=1e-13, msg=name)
    # Not because nothing was masked: each side's own reward does change.
    assert not torch.allclose(masked.chosen_reward, unmasked.chosen_reward)


def test_prefix_masking_does_not_cancel_once_lengths_are_normalised(policy, reference):
    def normalised_h(masked):
        ids, real, _, counted = batch_of(PAIRS, masked=masked)
        mask = next_token_mask(counted)
        ratio = log_probs_of(policy, ids, real) - log_probs_of(reference, ids, real)
        chosen, rejected = (sequence_log_prob(ratio, mask) / mask.sum(dim=1)).chunk(2)
        return chosen - rejected

    assert (normalised_h(True) - normalised_h(False)).abs().max() > 1e-3
