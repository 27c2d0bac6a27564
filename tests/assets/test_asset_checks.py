"""The blocking checks themselves: what each refuses, and in which words."""

import polars as pl
import pytest

from assets import _checks as checks
from marco_dag.evaluation import SUMMARY
from marco_dag.schemas import TABLES
from marco_dag.tasks import is_held_out

SHARE = 0.25
PROMPTS = [f"Compute {n}+1" for n in range(40)]
TRAINABLE = [prompt for prompt in PROMPTS if not is_held_out(prompt, SHARE)]
HELD_OUT = [prompt for prompt in PROMPTS if is_held_out(prompt, SHARE)]


def rows(table: str, *given: dict) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(TABLES[table]) | row for row in given], schema=TABLES[table])


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_table_has_its_schema(table):
    assert checks.schema_holds(TABLES[table].to_frame(), table).passed


def test_a_missing_column_and_a_null_id_break_the_schema():
    whole = rows("cot_set", {"chain_id": "c", "seed_id": "s"})
    assert checks.schema_holds(whole, "cot_set").passed
    assert "missing columns ['prompt']" in checks.schema_holds(whole.drop("prompt"), "cot_set").description
    null = checks.schema_holds(rows("cot_set", {"chain_id": "c"}), "cot_set")
    assert (null.passed, null.description) == (False, "null ids: seed_id: 1")


def test_a_root_thought_has_no_parent_and_breaks_nothing():
    assert checks.schema_holds(rows("thoughts", {"node_id": "n", "tree_id": "t"}), "thoughts").passed


def test_a_prompt_that_is_held_out_by_its_hash_or_asked_in_the_benchmark_is_found():
    questions = rows("held_out_questions", {"prompt": TRAINABLE[0]})
    clean = rows("cot_set", *({"prompt": prompt} for prompt in TRAINABLE[1:]))
    assert checks.none_held_out(clean, questions, SHARE).passed
    for leak in (HELD_OUT[0], TRAINABLE[0]):
        found = checks.none_held_out(pl.concat([clean, rows("cot_set", {"prompt": leak})]), questions, SHARE)
        assert not found.passed
        assert leak in found.description


def test_a_batch_needs_a_correct_chain_unless_it_is_empty():
    trees = rows("trees", {"tree_id": "t", "stop_reason": "rollouts"})
    wrong = rows("chains", {"chain_id": "a", "correct": False})
    right = rows("chains", {"chain_id": "b", "correct": True})
    none = rows("chains")
    assert checks.some_correct(pl.concat([wrong, right]), trees).passed
    assert checks.some_correct(none, rows("trees")).passed
    for chains in (wrong, none):
        failed = checks.some_correct(chains, trees)
        assert not failed.passed
        assert "none of 1 trees reached a correct answer; stopped because: {'rollouts': 1}" in failed.description


@pytest.mark.parametrize(("rate", "passed"), [(0.05, True), (0.051, False)])
@pytest.mark.parametrize(("candidate", "severity"), [(True, "ERROR"), (False, "WARN")])
def test_the_no_answer_rate_is_that_of_all_sampled_answers(rate, passed, candidate, severity):
    summary = pl.DataFrame(
        [
            dict.fromkeys(SUMMARY) | {"decoding": decoding, "benchmark": benchmark, "no_answer": value}
            for decoding, benchmark, value in [
                ("greedy", "all", 1.0),
                ("sampled", "all", rate),
                ("sampled", "letters", 1.0),
            ]
        ],
        schema=SUMMARY,
    )
    result = checks.answers_given(summary, 0.05, candidate=candidate)
    assert (result.passed, result.severity.value) == (passed, severity)
