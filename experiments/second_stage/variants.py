"""What is tried on top of the SFT checkpoint, and what is compared with what: fixed before anything is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

from marco_dag.curation import CurationConfig
from marco_dag.evaluation import Decoding
from marco_dag.profiles import Profile, load_profile
from marco_dag.training import RecipeConfig

Measure: TypeAlias = Literal["accuracy", "no_answer"]
"""The share of responses that are correct, or that state no answer."""


def unwatched(profile: Profile) -> Profile:
    """`profile` with no stage watched: one that may stop early would not train on as many tokens as the others."""
    recipes = {name: recipe.model_copy(update={"watch": None}) for name, recipe in profile.recipes.items()}
    return profile.model_copy(update={"sft": profile.sft.model_copy(update={"watch": None}), "recipes": recipes})


PROFILE: Profile = unwatched(load_profile("miniature"))
"""Whose models, questions, search, SFT and evaluation every variant stands on."""

SFT = "sft"
"""The checkpoint that all variants start from, scored too."""

CONTROL = "control"
"""The variant that the others are compared with."""

BUDGET = "full"
"""The variant that trains for its own epochs; the others train on as many tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A second stage on the SFT checkpoint."""

    recipe: RecipeConfig
    """How it trains; `epochs` count for BUDGET alone."""
    curation: CurationConfig
    """Which pairs of the trees it trains on."""
    on_policy: bool = False
    """Whether the trees are its own: grown by the SFT checkpoint, with the teacher's critic."""


def _variants() -> dict[str, Variant]:
    curation, recipes = PROFILE.curation, PROFILE.recipes

    def full(description: str, **changes: object) -> RecipeConfig:
        return RecipeConfig.model_validate({**recipes["full"].model_dump(), "description": description, **changes})

    every = curation.model_copy(update={"pairing": "every-divergence", "pairs_per_prompt": 8})
    return {
        CONTROL: Variant(recipe=recipes["control"], curation=curation),
        "plain-dpo": Variant(recipe=recipes["plain-dpo"], curation=curation),
        "full": Variant(recipe=recipes["full"], curation=curation),
        "full-gentle": Variant(recipe=full("full, β 0.03 and α 4", beta=0.03, sft_weight=4.0), curation=curation),
        "full-low-rate": Variant(recipe=full("full, learning rate 1e-4", learning_rate=1e-4), curation=curation),
        "full-length-normalised": Variant(
            recipe=full("full, log-probabilities a token, β 5", length_normalised=True, beta=5.0), curation=curation
        ),
        "full-visit-smoothing": Variant(
            recipe=full("full, ε of each pair from its tree's visits", smoothing_from="pair"), curation=curation
        ),
        "full-every-divergence": Variant(recipe=full("full, a pair for every divergence point"), curation=every),
        "full-on-policy": Variant(
            recipe=full("full, on the SFT checkpoint's own trees"), curation=curation, on_policy=True
        ),
    }


VARIANTS: Mapping[str, Variant] = _variants()
"""Name → variant, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A checkpoint minus the control, on the same questions and seeds."""

    checkpoint: str
    """SFT or a variant."""
    measure: Measure
    """What is compared."""
    decoding: Decoding
    """Of which answers."""


def comparisons(variants: Mapping[str, Variant] = VARIANTS) -> Sequence[Comparison]:
    """Every comparison that is made: each checkpoint with the control, both decodings, both measures.

    Their number is what the intervals are corrected for.
    """
    others = [SFT, *(name for name in variants if name != CONTROL)]
    decodings: tuple[Decoding, ...] = ("greedy", "sampled")
    measures: tuple[Measure, ...] = ("accuracy", "no_answer")
    return [Comparison(*made) for made in product(others, measures, decodings)]
