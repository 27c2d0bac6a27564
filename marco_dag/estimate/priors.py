"""What is taken for granted of models that nobody has watched yet; a pilot replaces it by what they do.

`EMBEDDED` was measured on the miniature's trees (the run behind the README's table): means over questions, so that hard
ones, whose trees are large, count no more than others. `INSTRUCT` are round guesses for instruction-tuned models on
grade-school to competition mathematics, written down so that they can be doubted.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Priors:
    """How models write, before any of them was asked."""

    prompt_tokens: float
    """Of a question as the chat template renders it, the search's system message left out."""
    thought_tokens: float
    """Sampled for a thought, its closing tag included; the mean of an exponential-like spread."""
    answer_tokens: float
    """The same for an Answer."""
    direct_tokens: float
    """Of the base student's own response to a question."""
    right: float
    """Share of answers that are right, the mean over questions."""
    concentration: float
    """How alike questions are: shares are Beta(right · c, (1 - right) · c), so that a small c is all or nothing."""
    repeats: float
    """Chance that a sample says the same as its likeliest sibling."""
    text_bytes: float
    """Of a token of text in a compressed table."""


EMBEDDED = Priors(
    prompt_tokens=15,
    thought_tokens=16.6,
    answer_tokens=6.4,
    direct_tokens=19,
    right=0.54,
    concentration=1.6,
    repeats=0.65,
    text_bytes=0.3,
)
"""Models trained from scratch on the embedded tasks."""

INSTRUCT = Priors(
    prompt_tokens=150,
    thought_tokens=80,
    answer_tokens=20,
    direct_tokens=350,
    right=0.5,
    concentration=1.0,
    repeats=0.2,
    text_bytes=1.3,
)
"""Instruction-tuned models."""
