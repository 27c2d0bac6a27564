"""Every objective on a model, loss and gradient, against the plain definition in float64; and what masking changes.

The definition runs each sequence alone and unpadded, token after token; ours runs one padded batch.
"""

import pytest
import torch

from marco_dag.training.objectives import joint_terms, next_token_mask, pair_log_probs, prefix_mask, sft_loss

BETA = 0.3

PAIRS = [
    ([3, 9, 4], [20, 21, 22, 30, 31, 1], [20, 21, 40, 41, 42, 43, 44, 1]),
    ([3, 12, 13, 14, 4], [25, 26, 1], [25, 1]),
    ([3, 4], [27, 1], [28, 29, 27, 27, 1]),
]

NOTHING = {"epsilon": 0.0, "weight": 1.0, "alpha": 0.0, "masking": "none", "normalised": False, "ld_alpha": 1.0}
OBJECTIVES = {
    "sft": NOTHING | {"weight": 0.0, "alpha": 1.0},
    "dpo": NOTHING,
    "cdpo": NOTHING | {"epsilon": 0.2},
    "value-weighted cdpo": NOTHING | {"epsilon": [0.05, 0.3, 0.5]},
    "joint": NOTHING | {"epsilon": 0.2, "weight": 0.7, "alpha": 1.5},
    "joint, prefix masked": NOTHING | {"epsilon": 0.2, "weight": 0.7, "alpha": 1.5, "masking": "dpo"},
    "joint, prefix masked in sft too": NOTHING | {"epsilon": 0.2, "weight": 0.7, "alpha": 1.5, "masking": "dpo+sft"},
    "length-normalised": NOTHING | {"normalised": True},
    "length-normalised, prefix masked": NOTHING | {"normalised": True, "masking": "dpo"},
    "ld-dpo": NOTHING | {"ld_alpha": 0.4},
    "ld-dpo, prefix masked": NOTHING | {"ld_alpha": 0.4, "masking": "dpo"},
    "everything": {
        "epsilon": [0.05, 0.3, 0.5], "weight": 0.7, "alpha": 1.5, "masking": "dpo+sft", "normalised": True,
        "ld_alpha": 0.4,
    },
}  # fmt: skip


def defined(model, reference, objective):
    """The mean over the pairs, by the equations of the objectives' sources."""

    def token_log_probs(net, prompt, completion):
        logits = net(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0]
        total = [logits[at] - torch.logsumexp(logits[at], dim=0) for at in range(len(logits))]
        return [total[len(prompt) + at - 1][token] for at, token in enumerate(completion)]

    losses = []
    for at, (prompt, chosen, rejected) in enumerate(PAIRS):
        skip = 0
        while objective["masking"] != "none" and chosen[skip] == rejected[skip]:
            skip += 1
        common = min(len(chosen), len(rejected))
        ratios = []
        for completion in (chosen, rejected):
            policy_side = token_log_probs(model, prompt, completion)
            with torch.no_grad():
                reference_side = token_log_probs(reference, prompt, completion)
            tokens = [mine - theirs for mine, theirs in zip(policy_side, reference_side, strict=True)]
            ratio = sum(tokens[skip:common]) + objective["ld_alpha"] * sum(tokens[common:])
            ratios.append(ratio / (len(completion) - skip) if objective["normalised"] else ratio)
        right = 1 / (1 + torch.exp(-BETA * (ratios[0] - ratios[1])))
        epsilon = objective["epsilon"][at] if isinstance(objective["epsilon"], list) else objective["epsilon"]
        preference = -(1 - epsilon) * torch.log(right) - epsilon * torch.log(1 - right)
        imitated = token_log_probs(model, prompt, chosen)[skip if objective["masking"] == "dpo+sft" else 0 :]
        losses.append(objective["weight"] * preference - objective["alpha"] * sum(imitated) / len(imitated))
    return sum(losses) / len(losses)


def batch_of(pairs):
    """Ids and attention [2P, T], the completions' tokens and those that the sides do not share, [2P, T−1]."""
    rows = [prompt + side for which in (0, 1) for prompt, *sides in pairs for side in sides[which : which + 1]]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    real = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])
    starts = torch.tensor([len(prompt) for prompt, *_ in pairs] * 2)
    completion = real & (torch.arange(width) >= starts[:, None])
    unshared = completion & ~prefix_mask(*ids.chunk(2), *real.chunk(2)).repeat(2, 1)
    return ids, real, next_token_mask(completion), next_token_mask(unshared)


def log_probs_of(model, ids, real):
    logits = model(input_ids=ids, attention_mask=real.long(), use_cache=False).logits[:, :-1]
    return logits.log_softmax(dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)


def ours(model, reference, objective):
    ids, real, completion, unshared = batch_of(PAIRS)
    counted = completion if objective["masking"] == "none" else unshared
    imitated = unshared if objective["masking"] == "dpo+sft" else completion
    lengths = {"length_normalised": objective["normalised"], "ld_alpha": objective["ld_alpha"]}
    epsilon = objective["epsilon"]
    with torch.no_grad():
        sides = pair_log_probs(log_probs_of(reference, ids, real), counted, **lengths)
    return joint_terms(
        log_probs_of(model, ids, real), imitated, counted, *sides,
        beta=BETA,
        label_smoothing=torch.tensor(epsilon, dtype=torch.float64) if isinstance(epsilon, list) else epsilon,
        preference_weight=objective["weight"],
        sft_weight=objective["alpha"],
        **lengths,
    )  # fmt: skip


def gradient(model, loss):
    model.zero_grad()
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


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


@pytest.mark.parametrize("name", OBJECTIVES)
def test_loss_and_gradient_agree_with_the_definition(policy, reference, name):
    loss = ours(policy, reference, OBJECTIVES[name]).loss.mean()
    expected = defined(policy, reference, OBJECTIVES[name])
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)

    mine, theirs = gradient(policy, loss), gradient(policy, expected)
    assert theirs.abs().max() > 1e-3
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def masked_and_not(policy, reference, objective, term):
    """Mean loss and gradient of one term of the objective, with the shared prefix masked out and without."""
    both = []
    for masking in ("dpo+sft", "none"):
        values = getattr(ours(policy, reference, objective | {"masking": masking}), term)
        both.append((values.detach(), gradient(policy, values.mean())))
    return both


@pytest.mark.parametrize("name", ["dpo", "cdpo", "value-weighted cdpo", "ld-dpo"])
def test_prefix_masking_cancels_exactly_in_summed_log_probs(policy, reference, name):
    """Shared tokens have the same log-probability in both rows: h, its loss and its gradient do not change.

    So the paper's prefix masking is an identity for its loss; what it reports as its gain must come from elsewhere.
    LD-DPO does not change it: what both sides share lies within the shorter one's length, where both weigh it 1.
    """
    (masked, masked_gradient), (whole, whole_gradient) = masked_and_not(
        policy, reference, OBJECTIVES[name], "preference"
    )
    torch.testing.assert_close(masked, whole, rtol=0, atol=1e-14)
    torch.testing.assert_close(masked_gradient, whole_gradient, rtol=0, atol=1e-13)
    # Not because nothing was masked: each side's own reward does change.
    rewards = [ours(policy, reference, NOTHING | {"masking": masking}).chosen_reward for masking in ("dpo", "none")]
    assert not torch.allclose(*rewards)


@pytest.mark.parametrize(
    ("name", "term"),
    [("length-normalised", "preference"), ("everything", "preference"), ("joint", "sft")],
)
def test_prefix_masking_does_not_cancel_under_a_mean_over_tokens(policy, reference, name, term):
    (masked, masked_gradient), (whole, whole_gradient) = masked_and_not(policy, reference, OBJECTIVES[name], term)
    assert (masked - whole).abs().max() > 1e-3
    assert (masked_gradient - whole_gradient).norm() > 0.05 * whole_gradient.norm()


def test_a_pair_that_shares_nothing_is_not_changed_by_masking(policy, reference):
    """The third pair differs from its first token on."""
    for name in ("length-normalised", "joint"):
        (masked, _), (whole, _) = masked_and_not(policy, reference, OBJECTIVES[name], "loss")
        assert masked[2].item() == whole[2].item()
        assert masked[0].item() != whole[0].item()


def test_masking_the_sft_term_leaves_the_tail_of_the_chosen_side(policy):
    ids, real, completion, unshared = batch_of(PAIRS)
    log_probs = log_probs_of(policy, ids, real)[:3]
    whole, tail = (mask[:3].sum(dim=1).tolist() for mask in (completion, unshared))
    assert (whole, tail) == ([6, 3, 2], [4, 2, 2])
    assert not torch.allclose(sft_loss(log_probs, completion[:3]), sft_loss(log_probs, unshared[:3]))
