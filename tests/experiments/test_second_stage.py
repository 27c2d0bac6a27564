"""The second-stage experiment: what is tried, what is compared, and how it is told."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from experiments.second_stage.summary import FAMILY_ERROR, differences
from experiments.second_stage.table import BEGIN, END, markdown, write_between_markers
from experiments.second_stage.variants import BUDGET, CONTROL, PROFILE, SFT, VARIANTS, comparisons

ROOT = Path(__file__).parents[2]


def test_a_variant_differs_from_the_full_recipe_in_what_its_name_says_and_in_nothing_else():
    full = VARIANTS[BUDGET]
    changed = {
        name: {
            field
            for field, value in variant.recipe.model_dump().items()
            if value != full.recipe.model_dump()[field] and field != "description"
        }
        | ({"curation"} if variant.curation != full.curation else set())
        | ({"on_policy"} if variant.on_policy else set())
        for name, variant in VARIANTS.items()
        if name.startswith("full-")
    }
    assert changed == {
        "full-gentle": {"beta", "sft_weight"},
        "full-length-normalised": {"length_normalised", "beta"},
        "full-visit-smoothing": {"smoothing_from"},
        "full-low-rate": {"learning_rate"},
        "full-every-divergence": {"curation"},
        "full-on-policy": {"on_policy"},
    }
    assert VARIANTS[CONTROL].recipe == PROFILE.recipes["control"]


def test_every_checkpoint_is_compared_with_the_control_and_nothing_else_is():
    made = comparisons()
    assert len(made) == len(set(made)) == 4 * len(VARIANTS)
    assert {each.checkpoint for each in made} == {SFT, *VARIANTS} - {CONTROL}


def test_the_questions_are_enough_and_apart_from_those_that_are_searched():
    assert PROFILE.seeds.held_out_per_task * len(PROFILE.seeds.tasks) >= 1500


def made_up_answers(gained: int, seeds: int = 4, questions: int = 400) -> pl.DataFrame:
    """Answers of which the control's are right in half the questions, and the others' in `gained` more."""
    rows = [
        {
            "seed": seed,
            "teacher": 0,
            "checkpoint": checkpoint,
            "benchmark": "letters",
            "question_id": f"q{question:03}",
            "decoding": decoding,
            "correct": question < questions // 2 + (gained if checkpoint != CONTROL else 0),
            "answered": True,
            "tokens": 10 + seed,
        }
        for seed in range(seeds)
        for checkpoint in (SFT, *VARIANTS)
        for decoding in ("greedy", "sampled")
        for question in range(questions)
    ]
    return pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=0)


def made_up_trainings() -> pl.DataFrame:
    names = [SFT, *VARIANTS]
    return pl.DataFrame(
        [
            {"seed": 0, "checkpoint": name, "examples": 50, "steps": 9, "tokens": 1000 + 10 * n}
            for n, name in enumerate(names)
        ]
    )


class TestDifferences:
    def test_a_real_gain_is_found_with_an_interval_corrected_for_the_number_of_comparisons(self):
        found = differences(made_up_answers(20), comparisons())
        accuracy = [each.estimate for each in found if each.comparison.measure == "accuracy"]
        assert [each.value for each in accuracy] == [pytest.approx(0.05)] * len(accuracy)
        assert all(each.excludes_zero for each in accuracy)
        # 20 of 400 questions: the tails of FAMILY_ERROR / 32 are over three standard errors away
        assert FAMILY_ERROR / len(found) < 0.002
        assert accuracy[0].low < 0.05 - 3 * (0.05 * 0.95 / 400) ** 0.5 * 0.9

    def test_no_gain_is_no_difference(self):
        found = differences(made_up_answers(0), comparisons())
        assert not any(each.estimate.excludes_zero for each in found)


class TestTable:
    @pytest.fixture
    def table(self):
        answers = made_up_answers(20)
        return markdown(answers, made_up_trainings(), differences(answers, comparisons()), VARIANTS)

    def test_says_what_is_behind_it(self, table):
        assert "4 seeds, 1 teacher, 400 distinct held-out questions" in table
        assert f"all {4 * len(VARIANTS)} together cover 95%" in table
        assert "`full` trains on 1,030 tokens" in table

    def test_has_levels_spreads_and_differences(self, table):
        assert "| `control` | SFT again on the shortest chains, no DPO | 50.0 (50.0 to 50.0) |" in table
        assert "11.5 (10.0 to 13.0)" in table
        assert table.count("**+5.0 (") == 2 * len(VARIANTS)
        assert table.count("| +0.0 (+0.0 to +0.0)") == 2 * len(VARIANTS)

    def test_stands_between_the_markers_and_leaves_the_rest(self, table, tmp_path):
        page = tmp_path / "page.md"
        page.write_text(f"# Title\n\n{BEGIN}\nearlier table\n{END}\n\nmore\n")
        write_between_markers(page, table)
        write_between_markers(page, table)
        text = page.read_text()
        assert text.startswith(f"# Title\n\n{BEGIN}\n\n4 seeds")
        assert text.endswith(f"\n{END}\n\nmore\n")
        assert "earlier table" not in text
        assert text.count("4 seeds") == 1

    @pytest.mark.parametrize("text", ["nothing", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
    def test_a_page_without_markers_is_left_as_it_is(self, text, tmp_path):
        page = tmp_path / "page.md"
        page.write_text(text)
        with pytest.raises(ValueError, match=r"page\.md: needs the line"):
            write_between_markers(page, "table")
        assert page.read_text() == text

    def test_the_page_of_the_experiment_has_them(self, tmp_path):
        page = tmp_path / "page.md"
        shutil.copy(ROOT / "docs" / "preference-stage.md", page)
        write_between_markers(page, "table")
        assert f"{BEGIN}\n\ntable\n{END}" in page.read_text()
