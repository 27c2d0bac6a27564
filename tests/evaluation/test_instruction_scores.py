import polars as pl
import pytest

from marco_dag.evaluation import INSTRUCTION_SCORES, instruction_scores
from marco_dag.identity import canonical_json


def judged(scores_of, *answers, benchmark="Multi-IF"):
    """Scores of answers, each (question, turn, language, strict, loose)."""
    parts = []
    for question, turn, language, strict, loose in answers:
        details = {"strict": strict, "loose": loose} | ({} if language is None else {"language": language})
        one = scores_of("sft", "greedy", {question: ["correct" if all(strict) else "wrong"]}, benchmark)
        parts.append(one.with_columns(turn=pl.lit(turn, pl.Int64), details=pl.lit(canonical_json(details))))
    return pl.concat(parts)


def row_of(table, **keys):
    return table.filter(**{name: value for name, value in keys.items() if value is not None}).filter(
        pl.col("turn").is_null() if keys.get("turn", 0) is None else True
    ).row(0, named=True)  # fmt: skip


def test_the_four_measures_by_hand(scores_of):
    scores = judged(
        scores_of,
        ("q1", 1, "en", [True, False], [True, True]),
        ("q2", 1, "en", [True], [True]),
        ("q3", 1, "en", [False, False, False], [False, True, False]),
    )
    table = instruction_scores(scores, 0.95)
    assert table.schema == INSTRUCTION_SCORES
    [row] = table.rows(named=True)
    assert (row["languages"], row["turn"], row["questions"]) == ("en", None, 3)
    assert row["prompt_strict"] == pytest.approx(1 / 3)
    assert row["instruction_strict"] == pytest.approx(2 / 6)
    assert row["prompt_loose"] == pytest.approx(2 / 3)
    assert row["instruction_loose"] == pytest.approx(4 / 6)
    assert row["mean"] == pytest.approx((1 / 3 + 2 / 6 + 2 / 3 + 4 / 6) / 4)
    assert row["mean_low"] <= row["mean"] <= row["mean_high"]


def test_turns_weigh_alike_however_many_conversations_reach_them(scores_of):
    scores = judged(
        scores_of,
        ("q1", 1, "en", [True], [True]),
        ("q2", 1, "en", [True], [True]),
        ("q1", 2, "en", [False, False], [False, False]),
    )
    table = instruction_scores(scores, 0.95)
    assert table["turn"].to_list() == [None, 1, 2]
    assert table["questions"].to_list() == [2, 2, 1]
    assert table["mean"].to_list() == pytest.approx([0.5, 1.0, 0.0])
    assert table["prompt_strict"].to_list() == pytest.approx([0.5, 1.0, 0.0])


def test_languages_are_grouped_as_the_paper_groups_them(scores_of):
    scores = judged(
        scores_of,
        ("q1", 1, "en", [True], [True]),
        ("q2", 1, "zh", [False], [False]),
        ("q3", 1, "hi", [True], [True]),
        ("q4", 1, "ru", [False], [False]),
    )
    table = instruction_scores(scores, 0.95)
    assert dict(table.select("languages", "mean").rows()) == {"all": 0.5, "en": 1.0, "other": 0.5, "zh": 0.0}


def test_several_samples_of_a_question_count_once(scores_of):
    once = judged(scores_of, ("q1", 1, "en", [True], [True]), ("q2", 1, "en", [False], [False]))
    often = pl.concat([once, once.filter(question_id="q2").with_columns(sample=pl.lit(1, pl.Int64))])
    assert instruction_scores(often, 0.95)["mean"].to_list() == [0.5]


def test_scores_without_judged_instructions_give_no_rows(scores_of):
    table = instruction_scores(scores_of("sft", "greedy", {"q1": ["correct"]}), 0.95)
    assert table.is_empty()
    assert table.schema == INSTRUCTION_SCORES
