"""From a request to the tokens a model continues: the model's own chat template, then the assistant text so far."""

from transformers import PreTrainedTokenizerBase

from marco_dag.engines.protocol import Request
from marco_dag.errors import EngineError


def render_prompt(tokenizer: PreTrainedTokenizerBase, request: Request) -> str:
    """The text that the model continues; EngineError where the template refuses the conversation."""
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    try:
        head = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:
        roles = ", ".join(message.role for message in request.messages)
        raise EngineError(
            f"the chat template of the model refuses a conversation of roles ({roles}): {error}"
        ) from error
    return f"{head}{request.prefix}"


def encode_prompt(tokenizer: PreTrainedTokenizerBase, request: Request) -> list[int]:
    """The tokens that the model continues; special tokens come from the template alone, so there is no double BOS."""
    tokens: list[int] = tokenizer.encode(render_prompt(tokenizer, request), add_special_tokens=False)
    return tokens
