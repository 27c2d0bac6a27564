"""What is compared with what, and what the paper claims of it: fixed before anything is run.

The list follows from the variants alone. Its length is what every interval is corrected for, so nothing is added to it
once the figures are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from marco_dag.study.variants import (
    BASE,
    CDPO,
    CONTROL,
    DECODED,
    FULL,
    JOINT,
    LENGTH_BALANCE,
    PLAIN_DPO,
    SFT,
    SFT_LONG_COT,
    SFT_SAMPLES,
    SWEEP,
    Variant,
    second_stages,
)

Measure: TypeAlias = Literal["accuracy", "no_answer", "solved", "chosen"]
"""The share of responses that are correct, or state no answer; of decoded questions, those with a right answer among
the N, or whose chosen answer is right."""
Source: TypeAlias = Literal["greedy", "sampled", "mcts", "sampling"]
"""How the answers came about: a response by itself, a search, or N samples at the search's tokens."""
Change: TypeAlias = Literal["rise", "fall", "same", "open"]
"""Which way a claim says that a measure goes; `open`: nobody claims anything."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison."""

    variant: str
    """Whose answers."""
    source: Source
    """Which of them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """First minus second, on the same questions and seeds."""

    topic: str
    """The question that it helps to answer."""
    claim: str
    """What the paper says, or what is asked beyond it."""
    first: Arm
    second: Arm
    measure: Measure
    expected: Change


_DATA = "Does the data pay? (Table 4)"
_LADDER = "Does each rung do what the paper says? (Table 5)"
_RECIPE = "Does the whole recipe pay?"
_BEYOND = "Does anything beside the recipe beat the control?"
_DECODING = "Does search pay at test time? (Table 7)"


def comparisons(variants: Mapping[str, Variant]) -> Sequence[Comparison]:
    """Every comparison that is made of `variants`, topic by topic."""
    made: list[Comparison] = []

    def compare(topic: str, claim: str, first: str, second: str, measure: Measure, expected: Change) -> None:
        made.extend(
            Comparison(topic, claim, Arm(first, source), Arm(second, source), measure, expected)
            for source in ("greedy", "sampled")
        )

    compare(_DATA, "SFT on MCTS data is more accurate than the base model", SFT, BASE, "accuracy", "rise")
    compare(_DATA, "long CoT is worse than MCTS data", SFT_LONG_COT, SFT, "accuracy", "fall")
    compare(_DATA, "long CoT leaves more questions unanswered", SFT_LONG_COT, SFT, "no_answer", "rise")
    compare(_DATA, "trees beat rejection sampling at equal tokens", SFT, SFT_SAMPLES, "accuracy", "open")
    compare(_LADDER, "DPO on long chains leaves questions unanswered", PLAIN_DPO, SFT, "no_answer", "rise")
    compare(_LADDER, "DPO on long chains costs accuracy", PLAIN_DPO, SFT, "accuracy", "fall")
    compare(_LADDER, "length balance mends unanswered questions", LENGTH_BALANCE, PLAIN_DPO, "no_answer", "fall")
    compare(_LADDER, "cDPO mends more of them", CDPO, LENGTH_BALANCE, "no_answer", "fall")
    compare(_LADDER, "the joint loss mends the rest", JOINT, CDPO, "no_answer", "fall")
    compare(_LADDER, "prefix masking changes no log-ratio: it cancels", FULL, JOINT, "accuracy", "same")
    compare(_RECIPE, "the whole recipe is more accurate than SFT", FULL, SFT, "accuracy", "rise")
    compare(_RECIPE, "… and leaves no more questions unanswered", FULL, SFT, "no_answer", "open")
    compare(_RECIPE, "it beats SFT again on the same chains", FULL, CONTROL, "accuracy", "open")
    compare(_RECIPE, "… with no more questions unanswered", FULL, CONTROL, "no_answer", "open")
    sweep = [name for name in variants if name.startswith(SWEEP)]
    for name in sweep:
        compare(_LADDER, f"α = 1 is better than {name.removeprefix(SWEEP)}", JOINT, name, "accuracy", "rise")
    for name in second_stages(variants):
        if name not in (CONTROL, *sweep):
            compare(_BEYOND, f"`{name}` beats the control", name, CONTROL, "accuracy", "open")
            compare(_BEYOND, "… with no more questions unanswered", name, CONTROL, "no_answer", "open")
    measures: tuple[tuple[Measure, str, Change], ...] = (
        ("solved", "more often a right answer among the N", "rise"),
        ("chosen", "more often the right answer chosen", "open"),
    )
    for name in DECODED:
        made += [
            Comparison(_DECODING, f"`{name}`: {claim}", Arm(name, "mcts"), Arm(name, "sampling"), measure, expected)
            for measure, claim, expected in measures
        ]
    return made
