"""From rows to examples, and what is dropped on the way."""

import math

import polars as pl
import pytest

from marco_dag.errors import TrainingError
from marco_dag.training.examples import pair_examples, sft_examples

LIMIT = 64


def text_of(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=False)


def test_the_prompt_is_rendered_as_the_student_sees_it_and_the_completion_ends(tokenizer, make_cot):
    (example,), dropped = sft_examples(make_cot([("1+2?", "<answer>3</answer>")]), tokenizer, LIMIT)
    assert text_of(tokenizer, example.prompt) == "<user>1+2?<assistant>"
    assert text_of(tokenizer, example.completion) == "<answer>3</answer><eos>"
    assert example.completion[-1] == tokenizer.eos_token_id
    assert example.tokens == 10
    assert dropped == {}


def test_ids_are_those_of_the_whole_conversation(tokenizer, make_cot, sums):
    examples, _ = sft_examples(make_cot([(prompt, right) for prompt, right, _ in sums]), tokenizer, LIMIT)
    for example, (prompt, right, _) in zip(examples, sums, strict=True):
        conversation = [{"role": "user", "content": prompt}, {"role": "assistant", "content": right}]
        whole = tokenizer.apply_chat_template(conversation, tokenize=True, return_dict=False)
        assert example.prompt + example.completion == whole


def test_examples_come_in_the_order_of_their_ids(tokenizer, make_cot, make_pairs, sums):
    cot = make_cot([(prompt, right) for prompt, right, _ in sums])
    assert sft_examples(cot, tokenizer, LIMIT) == sft_examples(cot.reverse(), tokenizer, LIMIT)
    pairs = make_pairs(sums)
    assert pair_examples(pairs, tokenizer, LIMIT) == pair_examples(pairs.reverse(), tokenizer, LIMIT)


def test_chains_that_cannot_be_learnt_are_dropped_and_counted(tokenizer, make_cot):
    rows = [
        ("fits", "a" * (LIMIT - 7)),  # <user>, 4 letters, <assistant>, and the end
        ("long", "a" * (LIMIT - 6)),
        ("none", ""),
        ("odd", "a<eos>b"),
        ("torn", "<thinking>a</thinking><answer>"),
    ]
    examples, dropped = sft_examples(make_cot(rows), tokenizer, LIMIT)
    assert [example.tokens for example in examples] == [LIMIT]
    assert dropped == {
        "longer than max_tokens": 1,
        "empty completion": 1,
        "end-of-sequence token inside the completion": 1,
        "cut inside a block": 1,
    }


def test_pairs_that_teach_nothing_are_dropped_and_counted(tokenizer, make_pairs):
    rows = [
        ("good", "abc", "abd"),
        ("same", "abc", "abc"),
        ("late", "a" * 70 + "b", "a" * 70 + "c"),
        ("long", "abc", "b" * 70),
        ("none", "abc", ""),
        ("odd", "abc", "a<eos>b"),
        ("torn", "abc", "<thinking>a"),
        ("torn", "<thinking>a", "abc"),
    ]
    examples, dropped = pair_examples(make_pairs(rows), tokenizer, LIMIT)
    assert [text_of(tokenizer, example.rejected) for example in examples] == ["abd<eos>"]
    assert dropped == {
        "chosen equals rejected": 1,
        "divergence beyond max_tokens": 1,
        "longer than max_tokens": 1,
        "empty completion": 1,
        "end-of-sequence token inside the completion": 1,
        "cut inside a block": 2,
    }


def test_a_pair_keeps_its_id_and_its_own_smoothing(tokenizer, make_pairs, sums):
    own = make_pairs(sums[:3]).with_columns(label_smoothing=pl.Series([0.0, None, 0.5]))
    examples, _ = pair_examples(own, tokenizer, LIMIT)
    assert [(example.id, example.label_smoothing) for example in examples] == [
        ("pair-000", 0.0),
        ("pair-001", None),
        ("pair-002", 0.5),
    ]


@pytest.mark.parametrize("impossible", [-0.1, 0.51, math.nan])
def test_an_impossible_smoothing_is_refused_by_its_pair(tokenizer, make_pairs, sums, impossible):
    own = make_pairs(sums[:3]).with_columns(label_smoothing=pl.Series([0.2, None, impossible]))
    with pytest.raises(TrainingError, match=rf"pair-002: label_smoothing is {impossible}; give 0 to 0.5, or null"):
        pair_examples(own, tokenizer, LIMIT)
