"""Choosing tokens: the arithmetic by hand, and the distribution it must follow."""

import math

import pytest
import torch

from marco_dag.engines.sampling import choose_tokens, token_confidence, uniform_stream

LOGITS = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))


def choose(uniform, temperature=1.0, top_p=1.0):
    return choose_tokens(LOGITS, torch.tensor([temperature]), torch.tensor([top_p]), torch.tensor([uniform])).item()


@pytest.mark.parametrize(("uniform", "token"), [(0.0, 0), (0.49, 0), (0.51, 1), (0.79, 1), (0.81, 2), (0.96, 3)])
def test_a_uniform_number_picks_the_token_of_its_interval(uniform, token):
    assert choose(uniform) == token


def test_temperature_zero_takes_the_largest_logit_whatever_the_number():
    assert {choose(u / 10, temperature=0) for u in range(10)} == {0}


def test_temperature_two_takes_square_roots_of_the_probabilities():
    roots = [math.sqrt(p) for p in (0.5, 0.3, 0.15, 0.05)]
    first = roots[0] / sum(roots)  # 0.3855…
    assert (choose(first - 0.01, temperature=2), choose(first + 0.01, temperature=2)) == (0, 1)


def test_the_nucleus_keeps_the_tokens_that_reach_its_mass():
    # top-p 0.6 keeps 0.5 and 0.3, which become 0.625 and 0.375
    assert [choose(u, top_p=0.6) for u in (0.62, 0.63, 0.999)] == [0, 1, 1]


def test_a_tiny_nucleus_keeps_the_likeliest_token():
    assert choose(0.999, top_p=1e-6) == 0


def test_greedy_and_sampled_rows_share_a_batch():
    chosen = choose_tokens(
        LOGITS.repeat(2, 1), torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.99, 0.99])
    )
    assert chosen.tolist() == [0, 3]


def test_streams_differ_by_seed_and_sample_and_repeat():
    assert torch.equal(uniform_stream(1, 0, 8), uniform_stream(1, 0, 8))
    assert not torch.equal(uniform_stream(1, 0, 8), uniform_stream(1, 1, 8))
    assert not torch.equal(uniform_stream(1, 0, 8), uniform_stream(2, 0, 8))


def test_sampled_frequencies_follow_the_distribution():
    draws = 20_000
    chosen = choose_tokens(
        LOGITS.expand(draws, 4), torch.ones(draws), torch.ones(draws), uniform_stream(seed=0, sample=0, count=draws)
    )
    shares = torch.bincount(chosen, minlength=4) / draws
    assert torch.allclose(shares, LOGITS.exp()[0], atol=4 * math.sqrt(0.25 / draws))


def test_confidence_compares_a_token_with_the_five_likeliest():
    p = torch.tensor([[0.30, 0.20, 0.15, 0.12, 0.10, 0.08, 0.05]])
    likeliest, sixth = token_confidence(torch.log(p).repeat(2, 1), torch.tensor([0, 5])).tolist()
    assert likeliest == pytest.approx(0.30 / 0.87)  # the five alone: 0.30 + 0.20 + 0.15 + 0.12 + 0.10
    assert sixth == pytest.approx(0.08 / 0.95)  # the five and the token itself


def test_confidence_of_a_tiny_vocabulary_is_the_probability():
    assert token_confidence(LOGITS, torch.tensor([1])).item() == pytest.approx(0.3)
