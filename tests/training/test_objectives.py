"""The second stage's losses against arithmetic by hand, in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from marco_dag.curation import common_prefix_length
from marco_dag.training.objectives import (
    joint_terms,
    pair_log_probs,
    preference_logit,
    preference_loss,
    prefix_mask,
    sft_loss,
)

BETA = 0.3

# Two pairs, chosen rows first: lengths 3 and 1 against 2 and 4.
LOG_PROBS = [[-1.0, -2.0, -4.0, 0.0], [-3.0, 0.0, 0.0, 0.0], [-0.5, -1.5, 0.0, 0.0], [-1.0, -2.0, -3.0, -5.0]]
COUNTED = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_cdpo_by_hand():
    # h = 2, β = 0.5: βh = 1; σ(1) = 0.7310585786, σ(−1) = 0.2689414214
    expected = -(0.8) * math.log(0.7310585786300049) - 0.2 * math.log(0.2689414213699951)
    assert preference_loss(double(2.0), 0.5, 0.2).item() == pytest.approx(expected, abs=1e-15)
    assert preference_loss(double(2.0), 0.5).item() == pytest.approx(-math.log(0.7310585786300049), abs=1e-15)


def test_the_gradient_of_cdpo_by_hand():
    # dL/dh = −β·[(1−ε)·σ(−βh) − ε·σ(βh)]
    h = double(2.0).requires_grad_()
    preference_loss(h, 0.5, 0.2).sum().backward()
    assert h.grad.item() == pytest.approx(-0.5 * (0.8 * 0.2689414213699951 - 0.2 * 0.7310585786300049), abs=1e-15)


def test_every_pair_may_have_its_own_smoothing():
    h = double(2.0, 2.0, -1.0, 4.0).requires_grad_()
    own = double(0.0, 0.2, 0.45, 0.5)
    losses = preference_loss(h, 0.5, own)
    losses.sum().backward()
    for at, epsilon in enumerate(own.tolist()):
        alone = h.detach()[at : at + 1].requires_grad_()
        loss = preference_loss(alone, 0.5, epsilon)
        loss.sum().backward()
        assert losses[at].item() == pytest.approx(loss.item(), abs=1e-15)
        assert h.grad[at].item() == pytest.approx(alone.grad.item(), abs=1e-15)


def test_label_smoothing_pulls_back_beyond_its_own_odds():
    h = double(math.log(0.8 / 0.2) / BETA).requires_grad_()
    preference_loss(h, BETA, 0.2).sum().backward()
    assert h.grad.item() == pytest.approx(0.0, abs=1e-15)

    beyond = double(math.log(0.8 / 0.2) / BETA + 1).requires_grad_()
    preference_loss(beyond, BETA, 0.2).sum().backward()
    assert beyond.grad.item() > 0


def test_a_pair_that_may_as_well_be_flipped_pulls_h_to_nothing():
    h = double(-2.0, 0.0, 2.0).requires_grad_()
    preference_loss(h, BETA, 0.5).sum().backward()
    assert h.grad[1].item() == 0
    assert h.grad[0].item() == -h.grad[2].item() < 0


def test_the_loss_stays_finite_where_the_sigmoid_does_not():
    assert preference_loss(double(-1e4, 1e4), 1.0).tolist() == [1e4, 0.0]


def test_h_is_the_difference_of_the_log_ratios():
    assert preference_logit(double(-1.0), double(-5.0), double(-2.0), double(-3.0)).item() == (-1 + 2) - (-5 + 3)


def side_log_probs(**lengths):
    """The sides of both pairs and the weight of each token in them: the gradient of their sum."""
    log_probs = double(*LOG_PROBS).requires_grad_()
    chosen, rejected = pair_log_probs(log_probs, COUNTED, **lengths)
    (chosen.sum() + rejected.sum()).backward()
    return chosen.tolist(), rejected.tolist(), log_probs.grad.tolist()


def test_dpo_sums_the_tokens_that_count():
    assert side_log_probs() == ([-7.0, -3.0], [-2.0, -11.0], COUNTED.double().tolist())


def test_length_normalised_dpo_takes_each_sides_token_mean():
    chosen, rejected, weights = side_log_probs(length_normalised=True)
    assert chosen == [-7 / 3, -3.0]
    assert rejected == [-1.0, -11 / 4]
    assert weights == [[1 / 3] * 3 + [0], [1, 0, 0, 0], [1 / 2, 1 / 2, 0, 0], [1 / 4] * 4]


def test_ld_dpo_weighs_the_longer_sides_tokens_beyond_the_shorters_length():
    # The first pair's common length is 2: of the chosen side's three tokens the last weighs α. The second's is 1.
    chosen, rejected, weights = side_log_probs(ld_alpha=0.25)
    assert chosen == [-1 - 2 - 0.25 * 4, -3.0]
    assert rejected == [-2.0, -1 - 0.25 * (2 + 3 + 5)]
    assert weights == [[1, 1, 0.25, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 0.25, 0.25, 0.25]]


def test_ld_dpo_with_nothing_beyond_the_common_length_compares_equal_lengths():
    assert side_log_probs(ld_alpha=0.0)[2] == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]]


def test_both_length_rules_together_divide_the_weighted_sum_by_all_tokens():
    chosen, rejected, _ = side_log_probs(ld_alpha=0.25, length_normalised=True)
    assert chosen == [-4 / 3, -3.0]
    assert rejected == [-1.0, -3.5 / 4]


def test_sft_is_each_pairs_own_token_mean():
    log_probs = double([-1.0, -2.0, -3.0, 0.0], [-4.0, 0.0, 0.0, 0.0]).requires_grad_()
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    losses = sft_loss(log_probs, mask)
    assert losses.tolist() == [2.0, 4.0]  # the batch's token mean would be 2.5 for both
    losses.sum().backward()
    assert log_probs.grad.tolist() == [[-1 / 3] * 3 + [0], [-1, 0, 0, 0]]


def test_the_joint_objective_is_the_weighted_sum_of_its_terms():
    reference = double(-6.0, -3.5), double(-4.0, -10.0)
    terms = joint_terms(
        double(*LOG_PROBS), COUNTED, COUNTED, *reference,
        beta=0.5, label_smoothing=0.1, preference_weight=0.7, sft_weight=2.0,
    )  # fmt: skip
    # h = (−7 + 6) − (−2 + 4) = −3 and (−3 + 3.5) − (−11 + 10) = 1.5
    sigmoid = [1 / (1 + math.exp(-0.5 * h)) for h in (-3.0, 1.5)]
    preference = [-0.9 * math.log(right) - 0.1 * math.log(1 - right) for right in sigmoid]
    assert terms.preference.tolist() == pytest.approx(preference, abs=1e-15)
    assert terms.sft.tolist() == pytest.approx([7 / 3, 3.0], abs=1e-15)
    assert terms.loss.tolist() == pytest.approx(
        [0.7 * preference[0] + 2 * 7 / 3, 0.7 * preference[1] + 2 * 3], abs=1e-15
    )
    assert terms.chosen_reward.tolist() == [-0.5, 0.25]
    assert terms.rejected_reward.tolist() == [1.0, -0.5]


def test_the_prefix_ends_at_the_first_difference_and_never_comes_back():
    chosen = torch.tensor([[3, 9, 20, 21, 30, 22]])
    rejected = torch.tensor([[3, 9, 20, 40, 30, 22]])
    everywhere = torch.ones_like(chosen, dtype=torch.bool)
    assert prefix_mask(chosen, rejected, everywhere, everywhere).tolist() == [[True] * 3 + [False] * 3]


def test_padding_is_no_prefix():
    rows = torch.tensor([[3, 9, 0, 0]])
    real = torch.tensor([[True, True, False, False]])
    assert prefix_mask(rows, rows, real, real).tolist() == [[True, True, False, False]]


def padded(rows):
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])


@given(st.lists(st.integers(1, 3), min_size=1, max_size=8), st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_the_mask_counts_what_curation_counts(first, second):
    ids, real = padded([first, second])
    shared = prefix_mask(ids[:1], ids[1:], real[:1], real[1:])
    assert shared.sum().item() == common_prefix_length(first, second)


TAILS = st.lists(st.floats(-9, 0), min_size=1, max_size=6)


@settings(deadline=None)
@given(st.lists(st.floats(-9, 0), max_size=6), TAILS, TAILS, st.floats(0, 1))
def test_masking_a_prefix_of_equal_log_probs_cancels_under_every_ld_alpha(prefix, chosen, rejected, ld_alpha):
    """A token that both sides share lies within the shorter side's length, where LD-DPO weighs it 1 on both."""
    rows = [prefix + chosen, prefix + rejected]
    width = max(map(len, rows))
    log_probs = double(*[row + [0.0] * (width - len(row)) for row in rows])
    whole = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])
    masked = whole & (torch.arange(width) >= len(prefix))
    difference = [torch.sub(*pair_log_probs(log_probs, counted, ld_alpha=ld_alpha)) for counted in (whole, masked)]
    torch.testing.assert_close(*difference, rtol=0, atol=1e-12)
