"""The tokenizer of the embedded models: a token is a tag of the chain language, a template word or a single character.

Lossless on the characters it knows; any other becomes `<unk>`. It is an ordinary fast tokenizer with a chat template
(`<user>…<assistant>…<eos>`), saved with the model and loaded by `AutoTokenizer`.
"""

import re
import string
from typing import TYPE_CHECKING

from marco_dag.thoughts import TAGS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, EOS, USER, ASSISTANT, UNKNOWN = "<pad>", "<eos>", "<user>", "<assistant>", "<unk>"

WORDS = (
    *("How", "many", "in", "Compute", "Blocks", "Goal"),
    *("Write", "lowercase", "uppercase", "capitalized", "words", "that", "start", "with", "and", "end", "order"),
    *("reverse", "alphabetical", "lower", "upper", "title"),
    *("count", "add", "reach", "write", "maybe", "ok", "no", "Wait", "is", "wrong", "at", "step", "Clearly", "Again"),
)
"""Words that are one token, alone or behind a space."""

CHARACTERS = string.ascii_letters + string.digits + string.punctuation + " \n"
"""Every other character that has a token."""

VOCABULARY = (PAD, EOS, USER, ASSISTANT, UNKNOWN, *TAGS, *WORDS, *(f" {word}" for word in WORDS), *CHARACTERS)
"""Every token, in the order of their ids."""

_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<user>' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}{{ '<assistant>' + message['content'] + '<eos>' }}"
    "{% else %}{{ raise_exception('the miniature models know user and assistant messages only') }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


def build_tokenizer(max_positions: int) -> "PreTrainedTokenizerFast":
    """The tokenizer; the same for every model and seed. Tags are ordinary tokens, so decoding keeps them."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: index for index, token in enumerate(VOCABULARY)}
    tags, words = ("|".join(re.escape(text) for text in texts) for texts in (TAGS, WORDS))
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(rf"{tags}| ?\b(?:{words})\b|[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        padding_side="left",
        model_max_length=max_positions,
        chat_template=_CHAT_TEMPLATE,
    )
