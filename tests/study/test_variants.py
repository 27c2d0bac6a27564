"""What a study tries and compares: it follows from the profile's one recipe, and is fixed before anything is run."""

import pytest

from marco_dag.errors import ProfileError
from marco_dag.profiles import load_profile, parse_profile, shipped_profiles
from marco_dag.study.comparisons import comparisons
from marco_dag.study.runs import cells_of
from marco_dag.study.variants import CONTROL, FULL, LADDER, SFT, variants_of

MINIATURE = load_profile("miniature")
VARIANTS = variants_of(MINIATURE)


def changed(variant, other) -> set[str]:
    """What two variants do differently."""
    ours, theirs = (each.recipe.model_dump(exclude={"description"}) for each in (variant, other))
    return {field for field in ours if ours[field] != theirs[field]} | (
        {name for name in ("curation", "on_policy", "data") if getattr(variant, name) != getattr(other, name)}
    )


def test_each_rung_of_the_ladder_adds_what_its_name_says_and_nothing_else():
    rungs = [VARIANTS[name] for name in LADDER[1:]]
    added = [changed(rung, below) for rung, below in zip(rungs[1:], rungs, strict=False)]
    assert added == [{"chosen"}, {"label_smoothing"}, {"sft_weight"}, {"prefix_masking"}]
    plain = rungs[0].recipe
    assert (plain.chosen, plain.label_smoothing, plain.sft_weight, plain.prefix_masking) == ("longest", 0, 0, "none")
    assert VARIANTS[FULL].recipe.deciding() == MINIATURE.recipes["full"].model_copy(update={"watch": None}).deciding()


def test_what_stands_beside_the_ladder_differs_from_the_whole_recipe_in_one_thing():
    beside = {name: changed(VARIANTS[name], VARIANTS[FULL]) for name in list(VARIANTS)[list(VARIANTS).index(CONTROL) :]}
    assert beside == {
        "control": {"preference_weight"},
        "alpha-0.5": {"sft_weight", "prefix_masking"},
        "alpha-1.5": {"sft_weight", "prefix_masking"},
        "alpha-2": {"sft_weight", "prefix_masking"},
        "gentle": {"beta", "sft_weight"},
        "low-rate": {"learning_rate"},
        "length-normalised": {"length_normalised", "beta"},
        "visit-smoothing": {"smoothing_from"},
        "every-divergence": {"curation"},
        "on-policy": {"on_policy"},
    }


def test_nothing_is_watched():
    assert all(variant.recipe.watch is None for variant in VARIANTS.values() if variant.recipe)


def test_every_variant_is_compared_and_no_comparison_is_made_twice():
    made = comparisons(VARIANTS)
    named = {(each.first, each.second, each.measure) for each in made}
    assert len(named) == len(made) == 62
    assert {arm.variant for each in made for arm in (each.first, each.second)} == set(VARIANTS)
    beaten = {each.first.variant for each in made if each.second.variant == CONTROL}
    assert beaten == {FULL, *(name for name in list(VARIANTS)[list(VARIANTS).index("gentle") :])}


def test_what_the_paper_says_is_told_from_what_is_asked_beyond_it():
    paper = [each for each in comparisons(VARIANTS) if each.expected != "open"]
    assert all("Table" in each.topic or each.second.variant == SFT for each in paper)


def test_a_cell_is_a_variant_or_its_decoding():
    assert cells_of(VARIANTS) == [*VARIANTS, "sft, decoded", "full, decoded"]


def test_the_questions_are_enough_for_a_standard_error_of_a_point():
    seeds = MINIATURE.seeds
    assert seeds.held_out_per_task * len(seeds.tasks) >= 1500
    assert len(MINIATURE.study.seeds) >= 5


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_has_a_study(name):
    assert SFT in variants_of(load_profile(name))


class TestProfile:
    def test_a_profile_without_a_study_says_how_to_give_it_one(self):
        with pytest.raises(ProfileError, match=r"has no study; give it one, `study: \{\}`"):
            variants_of(MINIATURE.model_copy(update={"study": None}))

    @pytest.mark.parametrize("recipe", ["plain-dpo", "control", "nobody"])
    def test_the_recipe_must_be_one_that_a_ladder_leads_to(self, recipe):
        values = {**MINIATURE.model_dump(), "study": {"recipe": recipe}}
        with pytest.raises(ProfileError, match=f"'{recipe}' is no recipe with a preference and an SFT term.*: full"):
            parse_profile(values, origin="mine")

    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("seeds", [], "one or more different numbers"),
            ("seeds", [1, 1], "one or more different numbers"),
            ("seeds", [-1], "one or more different numbers"),
            ("sft_weights", [0.0], "different numbers above 0"),
            ("caps", [64, 32], "each greater than the one before"),
        ],
    )
    def test_impossible_fields_are_refused(self, field, value, why):
        with pytest.raises(ProfileError, match=why):
            parse_profile({**MINIATURE.model_dump(), "study": {field: value}}, origin="mine")
