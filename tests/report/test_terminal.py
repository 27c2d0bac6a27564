import io

from rich.console import Console

from marco_dag.evaluation import SUMMARY
from marco_dag.report import describe_checkpoints, results_table


def printed(summary, descriptions, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(results_table(summary, descriptions))
    return console.file.getvalue()


def line_of(text, checkpoint):
    return next(line for line in text.splitlines() if line.startswith(f" {checkpoint} "))


def test_rows_are_base_sft_then_the_recipes_in_the_given_order(run):
    described = {name: name for name in ("control", "plain-dpo", "sft", "full", "base")}
    table = results_table(run.summary, described)
    assert [str(cell) for cell in table.columns[0].cells] == ["base", "sft", "control", "plain-dpo", "full"]


def test_a_row_shows_rates_in_per_cent_with_their_standard_errors(run):
    row = run.summary.filter(checkpoint="sft", decoding="sampled", benchmark="all").row(0, named=True)
    cells = line_of(printed(run.summary, describe_checkpoints(run.profile)), "sft")
    assert f"{100 * row['accuracy']:.1f} ± {100 * row['accuracy_se']:.1f}" in cells
    assert f"{100 * row['no_answer']:.1f} ± {100 * row['no_answer_se']:.1f}" in cells
    assert f" {row['tokens']:.0f} " in cells


def test_the_table_fits_80_columns_uncut(run):
    text = printed(run.summary, describe_checkpoints(run.profile))
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_caption_says_n_seeds_and_what_the_errors_are(run):
    text = " ".join(printed(run.summary, describe_checkpoints(run.profile)).split())
    assert "200 held-out questions, answered once greedily; 200 sampled answers a checkpoint" in text
    assert "± is one standard error over questions. One training seed" in text
    assert "control: SFT again on the shortest chains, no DPO" in text


def test_a_checkpoint_not_scored_yet_is_a_row_of_dashes(run_without_recipes):
    text = printed(run_without_recipes.summary, describe_checkpoints(run_without_recipes.profile))
    assert line_of(text, "full").split() == ["full", *["–"] * 6]


def test_nothing_scored_says_so():
    assert "No checkpoint has been scored yet." in printed(SUMMARY.to_frame(), {"base": "the student"})


def test_markup_in_a_name_is_text(run):
    assert "[red]full" in printed(run.summary, {"[red]full": "[bold]x[/bold]"}, width=120)
