from marco_dag.evaluation import SUMMARY
from marco_dag.report import describe_checkpoints, results_markdown


def table_of(text: str) -> list[list[str]]:
    """The cells of the first table, without the line of dashes."""
    lines = text.split("\n\n")[0].splitlines()
    assert set(lines[1]) <= set("|- ")
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in (lines[0], *lines[2:])]


def test_every_row_has_as_many_cells_as_the_header_and_shows_its_rates(run):
    header, *rows = table_of(results_markdown(run.summary, describe_checkpoints(run.profile)))
    assert {len(row) for row in rows} == {len(header)}
    assert [row[0] for row in rows] == ["base", "sft", "plain-dpo", "full", "control"]
    figures = run.summary.filter(checkpoint="full", decoding="sampled", benchmark="all").row(0, named=True)
    shown = dict(zip(header, rows[3], strict=True))
    assert shown["accuracy %, sampled"] == f"{100 * figures['accuracy']:.1f} ± {100 * figures['accuracy_se']:.1f}"
    assert shown["no answer %, sampled"] == f"{100 * figures['no_answer']:.1f} ± {100 * figures['no_answer_se']:.1f}"
    assert shown["tokens"] == f"{figures['tokens']:,.0f}"


def test_it_says_what_the_figures_rest_on(run):
    text = results_markdown(run.summary, describe_checkpoints(run.profile))
    assert "200 held-out questions, answered once greedily" in text.splitlines()[-1]


def test_nothing_in_a_description_ends_a_cell_or_a_line(run):
    [_, _, _, row] = table_of(results_markdown(run.summary.clear(), {"full": "a | b\nc"}))
    assert row[:2] == ["full", "a \\| b c"]


def test_nothing_scored_says_so():
    assert "No checkpoint has been scored yet." in results_markdown(SUMMARY.to_frame(), {"base": "the student"})
