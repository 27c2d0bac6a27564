"""Composing requests: a subject, and instructions that one response can all follow. It does not judge responses."""

import random
from collections.abc import Sequence

from marco_dag.identity import JsonValue
from marco_dag.tasks.ifeval.recipes import RECIPES, Kwargs
from marco_dag.tasks.ifeval.subjects import FORMS, QUESTIONS, TOPICS
from marco_dag.tasks.protocol import Question

_COUNTS = (1, 2, 3)
_ANSWERED_FROM_A_LIST = "detectable_format:constrained_response"
_REPEATED = "combination:repeat_prompt"


def compose(rng: random.Random) -> Question:
    """One to three instructions, equally likely, on a request for a text; hundreds of thousands of prompts.

    Where the request is to be repeated, the instruction to do so comes last and everything before it is repeated.
    """
    kinds = _draw_kinds(rng, rng.choice(_COUNTS))
    forms = QUESTIONS if _ANSWERED_FROM_A_LIST in kinds else FORMS
    prompt = rng.choice(forms).format(topic=rng.choice(TOPICS))
    kwargs: list[JsonValue] = []
    for kind in kinds:
        drawn: Kwargs = {"prompt_to_repeat": prompt} if kind == _REPEATED else RECIPES[kind].draw(rng)
        prompt += " " + RECIPES[kind].word(rng, drawn)
        kwargs.append(drawn)
    return Question(prompt, {"instruction_id_list": [*kinds], "kwargs": kwargs})


def _draw_kinds(rng: random.Random, count: int) -> Sequence[str]:
    """`count` kinds, each two of which go together; repeating the request comes last."""
    kinds: list[str] = []
    while len(kinds) < count:
        others = [
            kind
            for kind, recipe in RECIPES.items()
            if kind not in kinds and all(recipe.goes_with(RECIPES[drawn]) for drawn in kinds)
        ]
        kinds.append(rng.choice(others))
    return sorted(kinds, key=lambda kind: kind == _REPEATED)
