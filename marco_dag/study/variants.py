"""What is tried: every way from the questions to a checkpoint that the paper's tables and their controls need.

A variant is an SFT set and, but for the first ones, a second stage on the SFT checkpoint. All follow from the profile's
one recipe (`study.recipe`): each rung, sweep and alternative changes what its name says and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from marco_dag.curation import CurationConfig
from marco_dag.errors import ProfileError
from marco_dag.profiles import Profile
from marco_dag.study.config import StudyConfig
from marco_dag.training import RecipeConfig

SftData: TypeAlias = Literal["none", "trees", "samples", "long-cot"]
"""Whose chains the SFT set is made of: nobody's; the trees'; independent samples of the generator at the trees' tokens;
an over-thinking teacher's, or the user's file."""

BASE, SFT, SFT_SAMPLES, SFT_LONG_COT = "base", "sft", "sft-samples", "sft-long-cot"
"""The variants without a second stage."""
CONTROL = "control"
"""SFT again on the chosen chains, without a preference term: what a preference stage has to beat."""
PLAIN_DPO, LENGTH_BALANCE, CDPO, JOINT, FULL = "plain-dpo", "length-balance", "cdpo", "joint", "full"
"""The paper's ladder above SFT, rung by rung."""
SWEEP = "alpha-"
"""What the names of the α sweep begin with; behind it stands α."""
LADDER = (SFT, PLAIN_DPO, LENGTH_BALANCE, CDPO, JOINT, FULL)
"""The paper's ablation (Table 5)."""
DATA = (BASE, SFT_LONG_COT, SFT_SAMPLES, SFT)
"""What the SFT set is made of (Table 4, and rejection sampling)."""
DECODED = (SFT, FULL)
"""The variants that are decoded by tree search, too (Table 7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to a checkpoint."""

    description: str
    """What it is, in one line."""
    data: SftData = "trees"
    """What SFT learns from."""
    recipe: RecipeConfig | None = None
    """The second stage; `epochs` count for FULL alone, the others train on as many tokens. None: there is none."""
    curation: CurationConfig
    """How trees become its training sets."""
    on_policy: bool = False
    """Whether the pairs are of trees that the SFT checkpoint has grown itself, with the teacher's critic."""


def variants_of(profile: Profile) -> Mapping[str, Variant]:
    """Name → variant, in the order of the tables; ProfileError where the profile has no study."""
    config = study_of(profile)
    full = unwatched(profile).recipes[config.recipe]
    curation = profile.curation

    def second(description: str, **changes: object) -> Variant:
        recipe = RecipeConfig.model_validate({**full.model_dump(), "description": description, **changes})
        return Variant(description=description, recipe=recipe, curation=curation)

    bare = {"label_smoothing": 0.0, "sft_weight": 0.0, "prefix_masking": "none"}
    every = curation.model_copy(update={"pairing": "every-divergence", "pairs_per_prompt": 8})
    sweep = {
        f"{SWEEP}{weight:g}": second(f"joint, α {weight:g}", prefix_masking="none", sft_weight=weight)
        for weight in config.sft_weights
    }
    several = second("a pair for every divergence point")
    own = second("pairs of the SFT checkpoint's own trees")
    return {
        BASE: Variant(description="the student as it was", data="none", curation=curation),
        SFT_LONG_COT: Variant(description="SFT on long CoT", data="long-cot", curation=curation),
        SFT_SAMPLES: Variant(description="SFT on rejection samples", data="samples", curation=curation),
        SFT: Variant(description=f"SFT on the trees' {curation.sft_rank} chains", curation=curation),
        PLAIN_DPO: second("+ DPO, longest chosen", chosen="longest", **bare),
        LENGTH_BALANCE: second("+ length balance", **bare),
        CDPO: second("+ cDPO", **{**bare, "label_smoothing": full.label_smoothing}),
        JOINT: second("+ joint loss", prefix_masking="none"),
        FULL: second("+ prefix masking: the whole recipe"),
        CONTROL: second("SFT again on the chosen chains, no DPO", preference_weight=0.0, sft_weight=1.0),
        **sweep,
        "gentle": second("β · 0.3, α · 4", beta=0.3 * full.beta, sft_weight=4 * full.sft_weight),
        "low-rate": second("a third of the learning rate", learning_rate=full.learning_rate / 3),
        "length-normalised": second("log-probabilities a token, β · 50", length_normalised=True, beta=50 * full.beta),
        "visit-smoothing": second("each pair's ε from its tree's visits", smoothing_from="pair"),
        "every-divergence": Variant(description=several.description, recipe=several.recipe, curation=every),
        "on-policy": Variant(description=own.description, recipe=own.recipe, curation=curation, on_policy=True),
    }


def study_of(profile: Profile) -> StudyConfig:
    """What the profile says about its study; ProfileError where that is nothing."""
    if profile.study is None:
        raise ProfileError(
            f"profile {profile.name}: has no study; give it one, `study: {{}}` takes every default, and "
            "`study: {recipe: NAME}` where its whole recipe is not called `full`"
        )
    return profile.study


def unwatched(profile: Profile) -> Profile:
    """`profile` with no stage watched: one that may stop early would not train on as many tokens as the others."""
    recipes = {name: recipe.model_copy(update={"watch": None}) for name, recipe in profile.recipes.items()}
    return profile.model_copy(update={"sft": profile.sft.model_copy(update={"watch": None}), "recipes": recipes})


def second_stages(variants: Mapping[str, Variant]) -> list[str]:
    """The names of the variants with a second stage that stand beside the ladder."""
    return [name for name, variant in variants.items() if variant.recipe and name not in LADDER]
