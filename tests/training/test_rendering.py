"""What a tokenizer and its chat template must do before anything is trained with them."""

import copy

import pytest

from marco_dag.errors import TrainingError
from marco_dag.training import SftConfig, train_sft
from marco_dag.training.examples import pair_examples, sft_examples
from marco_dag.training.rendering import check_tokenizer

TURNS = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"
OPENING = "{% if add_generation_prompt %}<assistant>{% endif %}"
GREETING = "{% if messages | length > 1 %}hello {% endif %}"


@pytest.fixture
def with_template(tokenizer):
    """A function template → the tokenizer with that chat template."""

    def build(template):
        other = copy.deepcopy(tokenizer)
        other.chat_template = template
        return other

    return build


def conversation(tokenizer, make_cot, rows=(("1+2?", "<answer>3</answer>"),)):
    return sft_examples(make_cot(list(rows)), tokenizer, 64)


MOVING = {
    "a message that only whole conversations get": GREETING + TURNS + OPENING,
    "an opening that only generation gets": TURNS + "{% if add_generation_prompt %}<assistant><thinking>{% endif %}",
    "a question that is shortened once it is answered": (
        "{% for message in messages %}<{{ message['role'] }}>"
        "{{ message['content'] if loop.last else message['content'][:3] }}{% endfor %}" + OPENING
    ),
}


@pytest.mark.parametrize("name", MOVING)
def test_a_template_that_moves_the_prompts_tokens_is_refused(with_template, make_cot, make_pairs, name):
    moving = with_template(MOVING[name])
    with pytest.raises(TrainingError, match=r"moves the prompt's tokens.*of chain-000 goes on.*mend chat_template"):
        conversation(moving, make_cot)
    with pytest.raises(TrainingError, match=r"the prompt of pair-000 goes on"):
        pair_examples(make_pairs([("1+2?", "<answer>3</answer>", "<answer>4</answer>")]), moving, 64)


def test_the_message_shows_where_the_renderings_part(with_template, make_cot):
    opening = "{% if add_generation_prompt %}<assistant><thinking>{% endif %}"
    with pytest.raises(
        TrainingError, match="after 6 tokens with '<thinking>', but with '<answer>3</answer>' once answered"
    ):
        conversation(with_template(TURNS + opening), make_cot)


@pytest.mark.parametrize(
    "template",
    [
        TURNS + OPENING,
        "hello " + TURNS + OPENING,
        TURNS + "{% if add_generation_prompt %}<assistant>{% else %}<eos>bye{% endif %}",
    ],
    ids=["plain", "a greeting for all", "something behind the answer"],
)
def test_what_stands_before_and_behind_is_the_templates_own_business(with_template, make_cot, template):
    examples, dropped = conversation(with_template(template), make_cot)
    assert len(examples) == 1
    assert dropped == {}


def test_one_row_in_many_is_enough(with_template, make_cot):
    strips = (
        "{% for message in messages %}<{{ message['role'] }}>"
        "{{ message['content'] | trim if messages | length > 1 else message['content'] }}{% endfor %}" + OPENING
    )
    rows = [(f"{number}?", "<answer>3</answer>") for number in range(20)]
    assert len(conversation(with_template(strips), make_cot, rows)[0]) == 20
    rows[13] = (" 13?", "<answer>3</answer>")
    with pytest.raises(TrainingError, match="the prompt of chain-013"):
        conversation(with_template(strips), make_cot, rows)


def test_a_template_that_wants_more_than_a_question_says_so(with_template, make_cot):
    picky = with_template("{{ raise_exception('give me a system message') }}")
    with pytest.raises(TrainingError, match=r"cannot render a user message.*give me a system message"):
        conversation(picky, make_cot)


def test_training_is_refused_before_it_starts(tmp_path, with_template, new_model, cot_set):
    new_model(family="Llama").save_pretrained(tmp_path / "student")
    with_template(GREETING + TURNS + OPENING).save_pretrained(tmp_path / "student")
    with pytest.raises(TrainingError, match=r"student: the chat template moves the prompt's tokens"):
        train_sft(tmp_path / "student", cot_set, SftConfig(max_tokens=128), seed=0, folder=tmp_path / "run")
    assert not list((tmp_path / "run").rglob("checkpoint-*"))


@pytest.mark.parametrize(
    ("attribute", "named"),
    [("chat_template", "chat template"), ("eos_token", "end-of-sequence"), ("pad_token", "padding")],
)
def test_a_tokenizer_that_lacks_something_is_refused_by_name(tokenizer, tmp_path, attribute, named):
    lacking = copy.deepcopy(tokenizer)
    setattr(lacking, attribute, None)
    with pytest.raises(TrainingError, match=named):
        check_tokenizer(lacking, tmp_path)
    check_tokenizer(tokenizer, tmp_path)
