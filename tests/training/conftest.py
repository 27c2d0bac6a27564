"""A student small enough to train in a second: two layers behind a tokenizer of tags and characters.

Independent of the miniature, so that these tests say what training does and not what the miniature is.
"""

import string
from pathlib import Path

import polars as pl
import pytest

from marco_dag import schemas
from marco_dag.thoughts import TAGS

SPECIAL = ["<pad>", "<eos>", "<unk>", "<user>", "<assistant>"]
CHARACTERS = string.ascii_lowercase + string.digits + " +=?"
CHAT_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<eos>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def build_tokenizer():
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *TAGS, *CHARACTERS]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"</?[a-z-]+>|."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        chat_template=CHAT_TEMPLATE,
    )


def build_model(tokenizer, family: str = "Qwen2", seed: int = 0, dropout: float = 0.0, **sizes: int):
    import torch
    import transformers

    torch.manual_seed(seed)
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64} | sizes
    config = getattr(transformers, f"{family}Config")(
        **sizes,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        attention_dropout=dropout,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return getattr(transformers, f"{family}ForCausalLM")(config)


@pytest.fixture(scope="session")
def tokenizer():
    return build_tokenizer()


@pytest.fixture(scope="session")
def student(tmp_path_factory, tokenizer) -> Path:
    """A checkpoint folder with random weights.

    Llama, because transformers gives every Qwen2 folder Qwen2's own tokenizer, whatever the folder holds.
    """
    folder = tmp_path_factory.mktemp("student")
    build_model(tokenizer, "Llama").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def even_student(tmp_path_factory, tokenizer) -> Path:
    """A checkpoint folder whose embeddings have 64 rows, which two or four ranks can share."""
    folder = tmp_path_factory.mktemp("even-student")
    build_model(tokenizer, "Llama", vocab_size=64).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def new_model(tokenizer):
    """A function that builds such a student's model in memory."""

    def build(**settings):
        return build_model(tokenizer, **settings)

    return build


def block(thinking: str, answer: object) -> str:
    return f"<thinking>{thinking}</thinking><answer>{answer}</answer>"


def sum_rows(count: int) -> list[tuple[str, str, str]]:
    """(prompt, right chain, wrong chain) of small sums; chains of many lengths."""
    rows = []
    for number in range(count):
        first, second = number % 7, number // 7 % 9
        steps = " ".join(["count"] * (number % 5))
        right = block(f"{steps} {first}+{second}", first + second)
        wrong = block(f"{steps} {first}+{second} wait", first + second + 1)
        rows.append((f"{number}: {first}+{second}?", right, wrong))
    return rows


def cot_frame(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "chain_id": f"chain-{number:03}", "seed_id": f"seed-{number:03}", "prompt": prompt,
                "completion": completion, "tokens": len(completion), "length_rank": "longest", "batch": "generated",
            }
            for number, (prompt, completion) in enumerate(rows)
        ],
        schema=schemas.COT_SET,
    )  # fmt: skip


def pair_frame(rows: list[tuple[str, str, str]], rank: str = "shortest") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "pair_id": f"pair-{number:03}", "seed_id": f"seed-{number:03}", "chosen_chain_id": f"right-{number:03}",
                "rejected_chain_id": f"wrong-{number:03}", "prompt": prompt, "chosen": chosen, "rejected": rejected,
                "chosen_rank": rank, "chosen_tokens": len(chosen), "rejected_tokens": len(rejected),
                "common_prefix_tokens": 0, "batch": "generated",
            }
            for number, (prompt, chosen, rejected) in enumerate(rows)
        ],
        schema=schemas.PREFERENCE_PAIRS,
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_cot():
    """A function (prompt, completion) rows → CoT set."""
    return cot_frame


@pytest.fixture(scope="session")
def make_pairs():
    """A function (prompt, chosen, rejected) rows, rank → preference pairs."""
    return pair_frame


@pytest.fixture(scope="session")
def make_sums():
    """A function count → (prompt, right chain, wrong chain) of small sums."""
    return sum_rows


@pytest.fixture(scope="session")
def sums():
    """(prompt, right chain, wrong chain) of 40 small sums."""
    return sum_rows(40)


@pytest.fixture(scope="session")
def cot_set(sums) -> pl.DataFrame:
    return cot_frame([(prompt, right) for prompt, right, _ in sums])


@pytest.fixture(scope="session")
def pairs(sums) -> pl.DataFrame:
    return pair_frame(sums)


@pytest.fixture(scope="session")
def answering(tmp_path_factory, student, cot_set) -> Path:
    """A checkpoint folder: the student after it has learnt to close with an answer, right or wrong."""
    from marco_dag.training import SftConfig, train_sft

    folder = tmp_path_factory.mktemp("answering")
    train_sft(student, cot_set, SftConfig(learning_rate=1e-2, epochs=60, batch_size=8), seed=0, folder=folder)
    return folder / "model"


@pytest.fixture(scope="session")
def watched() -> pl.DataFrame:
    """24 sums that no training set here holds."""
    sums = [(number, number % 7, number % 9) for number in range(50, 74)]
    return pl.DataFrame(
        [
            {
                "seed_id": f"watched-{number}", "task": "arithmetic", "prompt": f"{number}: {first}+{second}?",
                "reference": f'{{"answer":{first + second}}}', "source": "generated", "split": "held_out",
                "batch": "generated",
            }
            for number, first, second in sums
        ],
        schema=schemas.SEED_PROMPTS,
    )  # fmt: skip


@pytest.fixture
def move_away(new_model):
    """A function (model) that moves a policy away from its reference, which was taken when the trainer was built."""

    def move(model):
        import torch

        with torch.no_grad():
            for parameter, other in zip(model.parameters(), new_model(seed=7).parameters(), strict=True):
                parameter.add_(other, alpha=5.0)

    return move


@pytest.fixture
def new_preference_trainer(tmp_path, tokenizer, new_model):
    """A function (pairs, recipe, model) → the second stage's trainer, its reference being the model as it is."""

    def build(frame, recipe, model=None):
        from marco_dag.training.assembly import preference_trainer
        from marco_dag.training.examples import pair_examples

        examples, _ = pair_examples(frame, tokenizer, recipe.max_tokens)
        return preference_trainer(recipe, model or new_model(), tokenizer, examples, seed=0, states=tmp_path / "states")

    return build
