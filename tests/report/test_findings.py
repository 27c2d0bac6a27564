import pytest

from marco_dag.evaluation import Comparison, Estimate
from marco_dag.profiles import Profile, load_profile
from marco_dag.report import Claim, Finding, claims, findings

NOTHING = Estimate(0.0, 0.0, 0.0, 0.0)


def finding(expected, low, high):
    """A finding whose sampled accuracy difference has the interval low to high."""
    estimate = Estimate((low + high) / 2, 0.01, low, high)
    claim = Claim("a differs from b", "test", "accuracy", "a", "b", expected)
    return Finding(claim, Comparison("a", "b", "sampled", 100, estimate, NOTHING), greedy=None)


@pytest.mark.parametrize(
    ("expected", "low", "high", "outcome"),
    [
        ("higher", 0.01, 0.05, "seen"),
        ("higher", -0.01, 0.05, "no effect seen"),
        ("higher", -0.05, -0.01, "opposite seen"),
        ("lower", -0.05, -0.01, "seen"),
        ("lower", 0.0, 0.0, "no effect seen"),
        ("lower", 0.01, 0.05, "opposite seen"),
        ("not higher", -0.02, 0.005, "holds"),
        ("not higher", -0.01, 0.006, "undecided"),
        ("not higher", 0.001, 0.02, "undecided"),
        ("not higher", 0.006, 0.02, "does not hold"),
    ],
)
def test_an_effect_is_seen_only_beyond_its_interval(expected, low, high, outcome):
    assert finding(expected, low, high).outcome == outcome


def test_the_sampled_answers_decide():
    greedy = Comparison("a", "b", "greedy", 100, Estimate(0.5, 0.01, 0.4, 0.6), NOTHING)
    claim = Claim("a differs from b", "test", "accuracy", "a", "b", "higher")
    assert Finding(claim, sampled=None, greedy=greedy).outcome is None


def test_the_miniature_profile_allows_the_papers_comparisons():
    assert [(c.a, c.expected, c.b, c.measure) for c in claims(load_profile("miniature"))] == [
        ("sft", "higher", "base", "accuracy"),
        ("plain-dpo", "higher", "sft", "no_answer"),
        ("full", "not higher", "sft", "no_answer"),
        ("full", "lower", "plain-dpo", "no_answer"),
        ("full", "higher", "control", "accuracy"),
    ]


def test_what_a_recipe_stands_for_follows_from_its_fields():
    recipes = {
        "rung": {"description": "length balance alone"},
        "mine": {"description": "all of it", "label_smoothing": 0.1, "sft_weight": 1},
        "raw": {"description": "none of it", "chosen": "longest"},
    }
    listed = claims(Profile.model_validate({"name": "mine", "recipes": recipes}))
    assert [(c.a, c.b) for c in listed] == [("sft", "base"), ("raw", "sft"), ("mine", "sft"), ("mine", "raw")]


def test_findings_compare_the_scores(run):
    first, second, *_ = findings(run.profile, run.scores)
    accuracy = {
        name: run.scores.filter(checkpoint=name, decoding="sampled")["correct"].mean() for name in ("base", "sft")
    }
    assert first.sampled.questions == 200
    assert first.difference("sampled").value == pytest.approx(accuracy["sft"] - accuracy["base"])
    assert first.outcome == "seen"
    assert second.claim.measure == "no_answer"
    assert second.difference("sampled") == second.sampled.no_answer


def test_a_checkpoint_that_is_not_scored_leaves_its_claims_open(run_without_recipes):
    found = findings(run_without_recipes.profile, run_without_recipes.scores)
    assert [f.outcome is None for f in found] == [False, True, True, True, True]
