"""Comparisons: paired by seed and question, corrected for their number, and told against the claim."""

import polars as pl
import pytest

from marco_dag.schemas import STUDY_FINDINGS
from marco_dag.study.comparisons import Arm, Comparison, comparisons
from marco_dag.study.findings import FAMILY_ERROR, capped, capped_differences, caps_of, find, findings_frame
from marco_dag.study.gathering import Gathered
from marco_dag.study.variants import variants_of
from tests.study.conftest import made_up_answers


def claim(first: str, second: str, expected: str, measure: str = "accuracy") -> Comparison:
    return Comparison("topic", "claim", Arm(first, "sampled"), Arm(second, "sampled"), measure, expected)


def found(answers: pl.DataFrame, *made: Comparison):
    nothing = pl.DataFrame()
    return find(Gathered(answers, nothing, nothing, nothing, []), made)


def test_a_real_gain_is_found_with_an_interval_that_is_corrected(tiny, gathered):
    findings = find(gathered, comparisons(variants_of(tiny)))
    gain = next(
        each
        for each in findings
        if (each.comparison.first, each.comparison.second.variant) == (Arm("full", "sampled"), "control")
    )
    assert gain.estimate.value == pytest.approx(0.1)
    assert (gain.seeds, gain.questions, gain.verdict) == (4, 200, "rise")
    # the tails of FAMILY_ERROR / 62 are over three standard errors away
    assert FAMILY_ERROR / len(findings) < 0.001
    assert gain.estimate.low < 0.1 - 3 * (0.1 * 0.9 / 200) ** 0.5 * 0.9


@pytest.mark.parametrize(
    ("right", "expected", "verdict"),
    [
        ({"a": 0.7, "b": 0.4}, "rise", "held"),
        ({"a": 0.7, "b": 0.4}, "fall", "opposite"),
        ({"a": 0.7, "b": 0.4}, "open", "rise"),
        ({"a": 0.4, "b": 0.7}, "open", "fall"),
        ({"a": 0.5, "b": 0.5}, "rise", "no effect seen"),
        ({"a": 0.5, "b": 0.5}, "same", "same"),
        ({"a": 0.505, "b": 0.5}, "same", "not the same"),
        ({"a": 0.505, "b": 0.5}, "open", "no effect seen"),
        ({"a": 0.5}, "rise", "gap"),
    ],
)
def test_verdicts_are_of_the_claim(right, expected, verdict):
    [finding] = found(made_up_answers(right), claim("a", "b", expected))
    assert finding.verdict == verdict


def test_no_answer_is_counted_where_none_is_stated():
    answers = made_up_answers({"a": 0.4, "b": 0.4}, {"a": 0.3})
    [finding] = found(answers, claim("a", "b", "rise", "no_answer"))
    assert finding.estimate.value == pytest.approx(0.3)
    assert finding.verdict == "held"


def test_only_seeds_with_both_sides_count():
    answers = made_up_answers({"a": 0.7, "b": 0.4}).filter((pl.col("checkpoint") == "a") | (pl.col("seed") < 2))
    [finding] = found(answers, claim("a", "b", "rise"))
    assert finding.seeds == 2


def test_decoded_questions_are_compared_at_the_most_tries(tiny, gathered):
    findings = find(gathered, comparisons(variants_of(tiny)))
    solved = [each for each in findings if each.comparison.measure == "solved"]
    assert [each.estimate.value for each in solved] == [pytest.approx(0.1)] * 2
    assert [each.questions for each in solved] == [100] * 2


def test_findings_are_a_table_gaps_and_all(tiny, gathered):
    without = Gathered(gathered.answers.filter(pl.col("checkpoint") != "cdpo"), *list(gathered_rest(gathered)))
    table = findings_frame(find(without, comparisons(variants_of(tiny))))
    assert table.schema == STUDY_FINDINGS
    gaps = table.filter(verdict="gap")
    assert gaps["difference"].is_null().all()
    assert gaps.height == 4


def gathered_rest(gathered: Gathered):
    yield from (gathered.decoded, gathered.trainings, gathered.lengths, [("cdpo", 0)])


class TestCaps:
    def test_a_longer_response_is_clipped_and_states_no_answer(self):
        answers = capped(made_up_answers({"a": 1.0}), 29)
        assert answers["correct"].to_list() == answers["answered"].to_list() == (answers["tokens"] <= 29).to_list()
        assert answers["clipped"].to_list() == (answers["tokens"] > 29).to_list()

    def test_the_recipe_is_set_beside_sft_and_the_control_at_each(self):
        answers = made_up_answers({"full": 0.8, "sft": 0.6, "control": 0.8})
        differences = capped_differences(answers, [1, 59], 0.95)
        assert [(each.cap, each.second, round(each.estimate.value, 3)) for each in differences] == [
            (1, "sft", 0.0),
            (1, "control", 0.0),
            (59, "sft", 0.2),
            (59, "control", 0.0),
        ]

    def test_are_eight_even_steps_unless_the_profile_says_otherwise(self):
        assert caps_of(192, ()) == [24, 48, 72, 96, 120, 144, 168, 192]
        assert caps_of(192, (10, 20)) == [10, 20]
