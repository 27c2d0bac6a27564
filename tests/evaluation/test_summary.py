import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marco_dag import schemas
from marco_dag.errors import EvaluationError
from marco_dag.evaluation import SUMMARY, compare, published_benchmarks, summarize

OUTCOMES = st.sampled_from(["correct", "wrong", "no_answer"])


def row_of(summary, **keys):
    return summary.filter(**keys).row(0, named=True)


def test_rates_are_means_over_questions(scores_of):
    # q1 right twice, q2 right once of two and once without an answer, q3 wrong twice
    scores = scores_of("sft", "sampled", {"q1": ["correct"] * 2, "q2": ["correct", "no_answer"], "q3": ["wrong"] * 2})
    row = row_of(summarize(scores, 0.95), benchmark="letters")
    assert (row["answers"], row["questions"]) == (6, 3)
    assert row["accuracy"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert row["accuracy_se"] == pytest.approx(0.5 / 3**0.5)  # sd of 1, 0.5, 0 is 0.5
    assert row["no_answer"] == pytest.approx((0 + 0.5 + 0) / 3)
    assert row["clipped"] == pytest.approx(1 / 6)
    assert row["tokens"] == 10


def test_all_counts_every_question_once(scores_of):
    scores = pl.concat(
        [
            scores_of("sft", "greedy", {"q1": ["correct"], "q2": ["correct"], "q3": ["wrong"]}, tokens=10),
            scores_of("sft", "greedy", {"q4": ["wrong"]}, benchmark="arithmetic", tokens=50),
        ]
    )
    row = row_of(summarize(scores, 0.95), benchmark="all")
    assert row["accuracy"] == 0.5  # not the mean of 2/3 and 0
    assert row["tokens"] == 20
    assert row["questions"] == 4


def test_reflections_are_counted_per_1000_tokens_of_all_responses(scores_of):
    scores = pl.concat(
        [
            scores_of("sft", "greedy", {"q1": ["correct"]}, tokens=100, reflections=3),
            scores_of("sft", "greedy", {"q2": ["correct"]}, tokens=300, reflections=1),
        ]
    )
    assert row_of(summarize(scores, 0.95), benchmark="all")["reflections_per_1k"] == 10


def test_rows_stand_by_checkpoint_then_greedy_first_then_all_first(scores_of):
    scores = pl.concat(
        [
            scores_of(checkpoint, decoding, {"q1": ["correct"]}, benchmark)
            for checkpoint in ("sft", "base")
            for benchmark in ("letters", "arithmetic")
            for decoding in ("sampled", "greedy")
        ]
    )
    keys = summarize(scores, 0.95).select("checkpoint", "decoding", "benchmark").rows()
    benchmarks = ("all", "letters", "arithmetic")
    assert keys == [(c, d, b) for c in ("sft", "base") for d in ("greedy", "sampled") for b in benchmarks]


def test_no_scores_give_no_rows():
    summary = summarize(schemas.SCORES.to_frame(), 0.95)
    assert summary.is_empty()
    assert summary.schema == SUMMARY


def test_one_question_has_no_standard_error(scores_of):
    row = row_of(summarize(scores_of("sft", "greedy", {"q1": ["correct"]}), 0.95), benchmark="all")
    assert row["accuracy"] == 1
    assert row["accuracy_se"] is None
    assert row["tokens_se"] is None


def test_a_comparison_is_paired_by_question(scores_of):
    first = scores_of("full", "sampled", {"q1": ["correct"], "q2": ["correct"], "q3": ["wrong"], "q4": ["correct"]})
    second = scores_of("sft", "sampled", {"q4": ["no_answer"], "q3": ["wrong"], "q2": ["correct"], "q1": ["wrong"]})
    found = compare(pl.concat([first, second]), "full", "sft", "sampled")
    assert found.questions == 4
    assert found.accuracy.value == 0.5  # 1 0 0 1
    assert found.accuracy.se == pytest.approx((1 / 3) ** 0.5 / 2)
    assert found.no_answer.value == -0.25


def test_only_questions_that_both_answered_are_compared(scores_of):
    first = scores_of("full", "greedy", {"q1": ["correct"], "q2": ["correct"]})
    second = scores_of("sft", "greedy", {"q2": ["correct"], "q3": ["wrong"]})
    found = compare(pl.concat([first, second]), "full", "sft", "greedy")
    assert (found.questions, found.accuracy.value) == (1, 0)


def test_nothing_in_common_is_an_error_that_says_so(scores_of):
    with pytest.raises(EvaluationError, match="'sft' and 'full' have no greedy answer to a common question"):
        compare(scores_of("sft", "greedy", {"q1": ["correct"]}), "sft", "full", "greedy")


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(OUTCOMES, min_size=1, max_size=3), min_size=1))
def test_every_rate_is_a_share_inside_its_interval(scores_of, outcomes):
    for row in summarize(scores_of("sft", "sampled", outcomes), 0.95).iter_rows(named=True):
        for measure in ("accuracy", "no_answer"):
            assert 0 <= row[f"{measure}_low"] <= row[measure] <= row[f"{measure}_high"] <= 1
        assert row["accuracy"] + row["no_answer"] <= 1 + 1e-12


@given(st.lists(st.tuples(OUTCOMES, OUTCOMES), min_size=1, max_size=20))
def test_a_comparison_turned_round_changes_its_sign(scores_of, outcomes):
    scores = pl.concat(
        [
            scores_of(name, "greedy", {f"q{i}": [pair[side]] for i, pair in enumerate(outcomes)})
            for side, name in enumerate(("a", "b"))
        ]
    )
    there, back = compare(scores, "a", "b", "greedy"), compare(scores, "b", "a", "greedy")
    assert there.accuracy.value == pytest.approx(-back.accuracy.value)
    assert there.no_answer.value == pytest.approx(-back.no_answer.value)


def test_published_benchmarks_stand_for_themselves_and_are_in_no_total(scores_of):
    held_out = scores_of("sft", "greedy", {"q1": ["correct"], "q2": ["wrong"]})
    published = scores_of("sft", "greedy", {"q3": ["correct"]}, benchmark="GSM8K")
    summary = summarize(pl.concat([held_out, published]), 0.95)
    assert dict(summary.select("benchmark", "accuracy").rows()) == {"all": 0.5, "letters": 0.5, "GSM8K": 1.0}
    assert published_benchmarks(summary) == ["GSM8K"]
    other = scores_of("base", "greedy", {"q1": ["correct"], "q2": ["correct"], "q3": ["wrong"]})
    assert compare(pl.concat([held_out, published, other]), "sft", "base", "greedy").questions == 2


def test_odd_answers_are_counted_and_what_a_response_says_is_not(scores_of):
    reasons = [
        "could not be checked within 2 s: expected '1', found 'x'",
        "expected '1', found '{', which math-verify cannot read",
        "expected '1', found '9': 3,000 characters are too many for an answer",
        "expected '1', found 'this could not be checked within 2 s'",
        "expected '1', found ', which math-verify cannot read'",
    ]
    scores = pl.concat(
        [scores_of("sft", "greedy", {f"q{n}": ["wrong"]}, verdict=reason) for n, reason in enumerate(reasons)]
    )
    assert row_of(summarize(scores, 0.95), benchmark="letters")["odd"] == 3
