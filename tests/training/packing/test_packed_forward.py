"""A path's log-probabilities and gradients out of a packed forward are those of the path alone."""

import pytest
import torch
import transformers

from marco_dag.errors import TrainingError
from marco_dag.training.packing import add_packed_forward, check_packable, forward, pack

HEAD, FIRST, SECOND = [5, 6], [7, 8, 9], [10]
# Two prompts behind one template head; the first branches at several depths, and one path begins another.
PATHS = [
    [*HEAD, *FIRST, 11, 12, 13, 14, 1],
    [*HEAD, *FIRST, 11, 12, 13, 1],
    [*HEAD, *FIRST, 11, 15, 16, 1],
    [*HEAD, *FIRST, 11, 15, 16, 17, 18, 19, 1],
    [*HEAD, *FIRST, 20, 1],
    [*HEAD, *SECOND, 11, 12, 13, 14, 1],
    [*HEAD, *SECOND, 21, 22, 23, 1],
    [*HEAD, *SECOND, 21, 22],
]
PROMPTS = [len(HEAD) + len(prompt) for prompt in [FIRST] * 5 + [SECOND] * 3]
TOKENS = 24
WIDTH = max(map(len, PATHS))
SCORED = torch.tensor(
    [[start <= place < len(path) for place in range(WIDTH)] for path, start in zip(PATHS, PROMPTS, strict=True)]
)

LAYOUTS = {  # row_tokens, attention_tokens, forward_tokens
    "one row": (1000, float("inf"), 1000),
    "rows": (1000, 4.0, 1000),
    "cut trees": (12, float("inf"), 1000),
    "parts": (12, float("inf"), 30),
}
QWEN2 = {"num_key_value_heads": 2, "tie_word_embeddings": True}
FAMILIES = {
    "Qwen2": ("Qwen2", QWEN2),
    "Qwen2.5": ("Qwen2", QWEN2 | {"tie_word_embeddings": False, "rope_theta": 1e6}),
    "Qwen3": ("Qwen3", {"num_key_value_heads": 2, "head_dim": 16}),
    "Llama": ("Llama", {"num_key_value_heads": 4, "attention_bias": True}),
}


@pytest.fixture(autouse=True)
def norms_in_float64(monkeypatch):
    """The norms compute in float32 whatever they are given, which alone would cost the gradients eight digits."""

    def forward(norm, states):
        return norm.weight * states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)

    for family in ("qwen2.modeling_qwen2.Qwen2", "qwen3.modeling_qwen3.Qwen3", "llama.modeling_llama.Llama"):
        monkeypatch.setattr(f"transformers.models.{family}RMSNorm.forward", forward)


def build(family, dtype=torch.float64, **settings):
    name, own = FAMILIES[family]
    config = getattr(transformers, f"{name}Config")(
        vocab_size=TOKENS, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        **own, **settings,
    )  # fmt: skip
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}ForCausalLM")(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)  # a fresh model hardly looks at what it attends to
    return model.to(dtype)


def apart(model):
    """Log-probabilities [N, T−1], each path in a forward of its own, without a mask."""
    rows = []
    for path, scored in zip(PATHS, SCORED, strict=True):
        log_probs = model(input_ids=torch.tensor([path]), use_cache=False).logits[0, :-1].log_softmax(dim=-1)
        tokens = log_probs.gather(-1, torch.tensor(path)[1:, None]).squeeze(-1) * scored[1 : len(path)]
        rows.append(torch.nn.functional.pad(tokens, (0, WIDTH - len(path))))
    return torch.stack(rows)


def packed(model, layout, change=lambda rows: rows, measured=False):
    row_tokens, attention_tokens, forward_tokens = LAYOUTS[layout]
    add_packed_forward(model, forward_tokens, measured=measured)
    return model(packed=change(pack(PATHS, SCORED.numpy(), row_tokens, attention_tokens)))


def gradients(model, log_probs):
    """Of a loss that weighs every token of every path in its own way, and not only linearly."""
    torch.manual_seed(1)
    weights = torch.randn(log_probs.shape, dtype=log_probs.dtype)
    model.zero_grad()
    ((weights * log_probs).sum() + log_probs.sum(dim=1).pow(2).mean()).backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_log_probs_and_gradients_are_those_of_separate_sequences(family, layout, dtype, tolerance):
    alone, together = build(family, dtype), build(family, dtype)
    expected, found = apart(alone), packed(together, layout).log_probs
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert (found[~SCORED[:, 1:]] == 0).all()

    theirs, ours = gradients(alone, expected), gradients(together, found)
    for name, gradient in theirs.items():
        scale = gradient.abs().max().item()
        assert scale > 1e-3
        torch.testing.assert_close(ours[name], gradient, rtol=0, atol=tolerance * max(scale, 1), msg=name)


def causal(rows):
    """Every place sees all places before it, as if the row were one sequence."""
    return rows | {"ends": torch.full_like(rows["ends"], rows["ends"].shape[1] - 1)}


def counted_on(rows):
    """The positions of a row's places, as if it were one sequence."""
    return rows | {"positions": torch.arange(rows["tokens"].shape[1]).expand_as(rows["tokens"])}


@pytest.mark.parametrize("change", [causal, counted_on])
@pytest.mark.parametrize("family", FAMILIES)
def test_without_the_mask_or_the_positions_it_breaks(family, change):
    model = build(family)
    expected = apart(model)
    assert (packed(model, "one row", change).log_probs - expected).abs().max() > 1e-2


def test_the_layouts_do_what_they_are_called():
    shapes = {}
    for name, (row_tokens, attention_tokens, forward_tokens) in LAYOUTS.items():
        rows, width = pack(PATHS, SCORED.numpy(), row_tokens, attention_tokens)["tokens"].shape
        shapes[name] = (rows, rows * width > forward_tokens)
    assert shapes["one row"] == (1, False)
    assert shapes["rows"][0] > 1
    assert shapes["cut trees"][0] > 2  # more than there are trees
    assert shapes["parts"] == (shapes["cut trees"][0], True)


def test_a_branching_token_is_computed_once_and_scored_once_for_each_child():
    rows = pack(PATHS, SCORED.numpy(), 1000, float("inf"))
    distinct = {tuple(path[:length]) for path in PATHS for length in range(1, len(path) + 1)}
    assert rows["tokens"].shape == (1, len(distinct))
    scored = {
        tuple(path[: start + 1])
        for path, first in zip(PATHS, PROMPTS, strict=True)
        for start in range(first, len(path))
    }
    assert len(rows["parents"]) == len(scored)
    assert len(set(rows["parents"].tolist())) < len(scored)


def test_logits_are_built_a_chunk_at_a_time(monkeypatch):
    """No block of all places times the vocabulary: the gradient goes through each chunk again."""
    monkeypatch.setattr(forward, "_LOGITS", 5 * TOKENS)
    seen = []
    alone, together = build("Qwen2.5"), build("Qwen2.5")
    together.lm_head.register_forward_hook(lambda *call: seen.append(call[-1].shape[0]))
    expected, found = apart(alone), packed(together, "one row").log_probs
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert len(seen) > 3
    assert max(seen) == 5
    theirs, ours = gradients(alone, expected), gradients(together, found)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=0, atol=1e-10, msg=name)


def test_entropy_and_hits_are_measured_where_asked_for():
    model = build("Llama")
    scores = packed(model, "rows", measured=True)
    ids = torch.tensor([PATHS[3]])
    log_probs = model(input_ids=ids, use_cache=False).logits[0, PROMPTS[3] - 1 : -1].log_softmax(dim=-1)
    where = slice(PROMPTS[3] - 1, len(PATHS[3]) - 1)
    torch.testing.assert_close(scores.entropy[3, where], -(log_probs.exp() * log_probs).sum(dim=-1))
    assert scores.is_top1[3, where].tolist() == (log_probs.argmax(dim=-1) == ids[0, PROMPTS[3] :]).double().tolist()
    assert packed(model, "rows").entropy is None


def test_architectures_that_are_not_known_to_be_exact_are_refused():
    for family in FAMILIES:
        check_packable(build(family).config)
    with pytest.raises(TrainingError, match=r"the checkpoint is a gemma2; set packing: none"):
        check_packable(transformers.Gemma2Config())
    windows = transformers.Qwen2Config(
        use_sliding_window=True, sliding_window=8, num_hidden_layers=3, max_window_layers=1
    )
    with pytest.raises(TrainingError, match=r"layers of sliding_attention; set packing: none"):
        check_packable(windows)
