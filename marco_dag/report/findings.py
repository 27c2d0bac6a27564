"""Which of the paper's effects a run shows: a fixed list of paired comparisons, each with a plain word for its outcome.

What a recipe stands for follows from its fields, not from its name. A difference counts as seen only where its interval
leaves zero out. The intervals are not corrected for the number of comparisons.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from marco_dag.errors import EvaluationError
from marco_dag.evaluation import Comparison, Decoding, Estimate, compare
from marco_dag.profiles import Profile
from marco_dag.training.config import RecipeConfig

Outcome: TypeAlias = Literal["seen", "no effect seen", "opposite seen", "holds", "undecided", "does not hold"]

NO_ANSWER_MARGIN = 0.005
"""How much higher a repaired no-answer rate may be and still count as back: half a percentage point."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An effect that may show: `a` against `b` in one measure."""

    title: str
    """The claim in words."""
    source: str
    """Where it comes from."""
    measure: Literal["accuracy", "no_answer"]
    """What is compared."""
    a: str
    """The checkpoint it is about."""
    b: str
    """The checkpoint it is compared with."""
    expected: Literal["higher", "lower", "not higher"]
    """How `a` should stand to `b`; "not higher" is by no more than NO_ANSWER_MARGIN."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run says to a claim."""

    claim: Claim
    sampled: Comparison | None
    """On the sampled answers, which decide; None where one of the two is not scored yet."""
    greedy: Comparison | None
    """On the greedy answers."""

    def difference(self, decoding: Decoding) -> Estimate | None:
        """The claim's difference, `a` minus `b`, in that decoding."""
        comparison = self.sampled if decoding == "sampled" else self.greedy
        if comparison is None:
            return None
        return comparison.accuracy if self.claim.measure == "accuracy" else comparison.no_answer

    @property
    def outcome(self) -> Outcome | None:
        """The plain word, from the sampled answers; None where they are missing."""
        found = self.difference("sampled")
        if found is None:
            return None
        if self.claim.expected == "not higher":
            if found.high <= NO_ANSWER_MARGIN:
                return "holds"
            return "does not hold" if found.low > NO_ANSWER_MARGIN else "undecided"
        if not found.excludes_zero:
            return "no effect seen"
        return "seen" if (found.value > 0) == (self.claim.expected == "higher") else "opposite seen"


def claims(profile: Profile) -> list[Claim]:
    """The comparisons that a profile's recipes allow, in the order of the paper's argument."""
    plain = [name for name, recipe in profile.recipes.items() if _is_plain_dpo(recipe)]
    full = [name for name, recipe in profile.recipes.items() if _is_full_recipe(recipe)]
    control = [name for name, recipe in profile.recipes.items() if recipe.preference_weight == 0]
    listed = [Claim("SFT on tree chains raises accuracy", "paper, section 4", "accuracy", "sft", "base", "higher")]
    listed += [
        Claim(
            "Plain DPO on long chains raises the no-answer rate", "paper, section 4", "no_answer", name, "sft", "higher"
        )
        for name in plain
    ]
    for name in full:
        listed.append(
            Claim(
                "The full recipe brings no-answer back to SFT's",
                "paper, section 4",
                "no_answer",
                name,
                "sft",
                "not higher",
            )
        )
        listed += [
            Claim(
                "The full recipe repairs what plain DPO breaks", "paper, section 4", "no_answer", name, other, "lower"
            )
            for other in plain
        ]
        listed += [
            Claim(
                "The preference stage beats SFT alone on the same chains",
                "our control",
                "accuracy",
                name,
                other,
                "higher",
            )
            for other in control
        ]
    return listed


def findings(profile: Profile, scores: pl.DataFrame) -> list[Finding]:
    """What the scores say to each of the profile's claims, with its confidence and seed."""

    def compared(claim: Claim, decoding: Decoding) -> Comparison | None:
        confidence = profile.evaluation.confidence
        try:
            return compare(scores, claim.a, claim.b, decoding, confidence=confidence, seed=profile.seed)
        except EvaluationError:  # one of the two is not scored yet
            return None

    return [Finding(claim, compared(claim, "sampled"), compared(claim, "greedy")) for claim in claims(profile)]


def _is_plain_dpo(recipe: RecipeConfig) -> bool:
    """DPO with none of the paper's mends."""
    return (
        recipe.preference_weight > 0
        and recipe.chosen != "shortest"
        and recipe.label_smoothing == 0
        and recipe.sft_weight == 0
    )


def _is_full_recipe(recipe: RecipeConfig) -> bool:
    """DPO with length balance, cDPO and the joint loss; prefix masking does not change summed log-probabilities."""
    return (
        recipe.preference_weight > 0
        and recipe.chosen == "shortest"
        and recipe.label_smoothing > 0
        and recipe.sft_weight > 0
    )
