"""Which questions are for training and which are held out for the benchmark: a hash of the prompt decides, for ever.

So no seed, order or version of the generators can leak a held-out question into training.
"""

import hashlib
import random
from typing import Literal, TypeAlias

from marco_dag.errors import TaskError
from marco_dag.identity import derive_seed
from marco_dag.tasks.protocol import GeneratingTask, Question

Split: TypeAlias = Literal["train", "held_out"]
"""What a question is for."""

_FRUITLESS_DRAWS = 20_000


def is_held_out(prompt: str, share: float) -> bool:
    """Whether `prompt` is among the `share` (in [0, 1]) of all prompts that training never sees.

    A function of the prompt's SHA-256 alone; a prompt held out at one share is held out at every larger one.
    """
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


def generate_questions(task: GeneratingTask, count: int, *, split: Split, share: float, seed: int) -> list[Question]:
    """`count` questions of a split with distinct prompts, a function of the arguments alone.

    A larger count begins with the questions of a smaller one. TaskError where 20,000 draws in a row bring nothing new.
    """
    rng = random.Random(derive_seed("questions", task.name, split, seed))
    found: dict[str, Question] = {}
    fruitless = 0
    while len(found) < count:
        question = task.generate(rng)
        if question.prompt in found or is_held_out(question.prompt, share) != (split == "held_out"):
            fruitless += 1
            if fruitless == _FRUITLESS_DRAWS:
                raise TaskError(
                    f"task {task.name!r} has about {len(found)} distinct {split} questions at held_out_share {share}, "
                    f"{count} are asked for: ask for fewer, or change the share"
                )
            continue
        found[question.prompt] = question
        fruitless = 0
    return list(found.values())
