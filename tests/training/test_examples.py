"""From texts to token ids, and what is dropped on the way."""

import pytest

from marco_dag.errors import TrainingError
from marco_dag.training.examples import check_tokenizer, pair_examples, sft_examples

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
    ]
    examples, dropped = sft_examples(make_cot(rows), tokenizer, LIMIT)
    assert [example.tokens for example in examples] == [LIMIT]
    assert dropped == {
        "longer than max_tokens": 1,
        "empty completion": 1,
        "end-of-sequence token inside the completion": 1,
    }


def test_pairs_that_teach_nothing_are_dropped_and_counted(tokenizer, make_pairs):
    rows = [
        ("good", "abc", "abd"),
        ("same", "abc", "abc"),
        ("late", "a" * 70 + "b", "a" * 70 + "c"),
        ("long", "abc", "b" * 70),
        ("none", "abc", ""),
        ("odd", "abc", "a<eos>b"),
    ]
    examples, dropped = pair_examples(make_pairs(rows), tokenizer, LIMIT)
    assert [text_of(tokenizer, example.rejected) for example in examples] == ["abd<eos>"]
    assert dropped == {
        "chosen equals rejected": 1,
        "divergence beyond max_tokens": 1,
        "longer than max_tokens": 1,
        "empty completion": 1,
        "end-of-sequence token inside the completion": 1,
    }


@pytest.mark.parametrize(
    ("attribute", "named"),
    [("chat_template", "chat template"), ("eos_token", "end-of-sequence"), ("pad_token", "padding")],
)
def test_a_tokenizer_that_lacks_something_is_refused_by_name(tokenizer, tmp_path, attribute, named):
    import copy

    lacking = copy.deepcopy(tokenizer)
    setattr(lacking, attribute, None)
    with pytest.raises(TrainingError, match=named):
        check_tokenizer(lacking, tmp_path)
    check_tokenizer(tokenizer, tmp_path)
