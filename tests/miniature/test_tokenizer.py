"""The tokenizer: lossless on its alphabet, one token a tag, and a chat template the engines can continue."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag.miniature.tokenizer import CHARACTERS, WORDS, build_tokenizer
from marco_dag.miniature.worked import METHODS
from marco_dag.tasks import GENERATING_TASKS
from marco_dag.thoughts import TAGS

TOKENIZER = build_tokenizer(256)

alphabet = st.lists(st.sampled_from([*TAGS, *WORDS, *(f" {word}" for word in WORDS)]) | st.text(CHARACTERS, max_size=5))


@given(alphabet.map("".join))
def test_any_text_of_the_alphabet_comes_back(text: str) -> None:
    tokens = TOKENIZER(text).input_ids
    assert TOKENIZER.decode(tokens) == text
    assert TOKENIZER.decode(tokens, skip_special_tokens=True) == text
    assert TOKENIZER.unk_token_id not in tokens


@given(st.text())
def test_unknown_characters_become_unknown_tokens(text: str) -> None:
    tokens = TOKENIZER(text.encode("utf-8", "ignore").decode()).input_ids
    assert len(tokens) <= len(text)
    TOKENIZER.decode(tokens)


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_is_one_token_wherever_it_stands(tag: str) -> None:
    assert len(TOKENIZER(tag).input_ids) == 1
    assert (
        TOKENIZER(f"ok{tag}no").input_ids
        == TOKENIZER("ok").input_ids + TOKENIZER(tag).input_ids + TOKENIZER("no").input_ids
    )


def test_words_are_tokens_only_between_word_boundaries() -> None:
    assert TOKENIZER.tokenize("How many in counting") == ["How", " many", " in", " ", *"counting"]


def test_no_pseudo_word_is_a_template_word() -> None:
    """The letters of a word to be counted in must be tokens of their own."""
    rng = random.Random(0)
    for _ in range(3000):
        word = str(GENERATING_TASKS["letters"].generate(rng).reference["word"])
        assert word not in WORDS


def test_no_question_that_is_worked_holds_an_unknown_character() -> None:
    rng = random.Random(0)
    for name in METHODS:
        prompts = [GENERATING_TASKS[name].generate(rng).prompt for _ in range(200)]
        assert all(TOKENIZER.unk_token_id not in TOKENIZER(prompt).input_ids for prompt in prompts)


def test_the_chat_template_opens_closes_and_continues_an_assistant_message() -> None:
    user = {"role": "user", "content": "Compute 1+2"}
    begun = {"role": "assistant", "content": "<answer>3"}
    render = TOKENIZER.apply_chat_template
    assert render([user], tokenize=False, add_generation_prompt=True) == "<user>Compute 1+2<assistant>"
    assert render([user, begun], tokenize=False) == "<user>Compute 1+2<assistant><answer>3<eos>"
    assert render([user, begun], tokenize=False, continue_final_message=True) == "<user>Compute 1+2<assistant><answer>3"


def test_a_system_message_is_refused_in_words() -> None:
    with pytest.raises(Exception, match="user and assistant messages only"):
        TOKENIZER.apply_chat_template([{"role": "system", "content": "Be brief"}], tokenize=False)


def test_padding_is_not_the_end() -> None:
    assert TOKENIZER.pad_token_id != TOKENIZER.eos_token_id
    assert TOKENIZER.pad_token_id == 0
