"""Published benchmarks in the report and in the terminal: beside the held-out questions, never mixed with them."""

import io
import re

import polars as pl
from rich.console import Console

from marco_dag.report import benchmarks_table, describe_checkpoints, write_report


def page_of(folder, run):
    return write_report(folder, **vars(run)).read_text(encoding="utf-8")


def section_of(page, title):
    return re.search(rf"<h2>{title}</h2>(.*?)</section>", page, re.DOTALL)[1]


def test_each_benchmark_has_its_rates_and_what_it_is_asked_for(tmp_path, run_with_benchmarks):
    section = section_of(page_of(tmp_path, run_with_benchmarks), "Published benchmarks")
    captions = re.findall(r"<caption>(.*?)</caption>", section)
    assert captions == ["GSM8K", "IF &lt;b&gt;", "AIME", "Repeated sampling", "Instructions followed"]
    assert section.count("<td>greedy, 50</td>") == 2 * 5
    assert section.count("<td>sampled, 200</td>") == 5
    for shown in ("Test@N %", "majority of N %", "prompt, strict %", "<td>zh</td>", "<td>other</td>"):
        assert shown in section


def test_a_report_without_them_has_no_such_section(tmp_path, run):
    assert "Published benchmarks" not in page_of(tmp_path, run)


def test_they_change_nothing_that_is_said_of_the_held_out_questions(tmp_path, run, run_with_benchmarks):
    mixed, plain = page_of(tmp_path / "mixed", run_with_benchmarks), page_of(tmp_path / "plain", run)
    for title in ("Which effects were seen", "Results", "Task by task"):
        assert re.sub(r"mpl_\w+|#\w+|id=\"\w+\"", "", section_of(mixed, title)) == re.sub(
            r"mpl_\w+|#\w+|id=\"\w+\"", "", section_of(plain, title)
        )


def test_the_terminal_shows_accuracy_and_no_answer_as_papers_do(run_with_benchmarks):
    descriptions = describe_checkpoints(run_with_benchmarks.profile)
    console = Console(file=io.StringIO(), width=100)
    console.print(benchmarks_table(run_with_benchmarks.summary, descriptions))
    text = console.file.getvalue()
    [row] = run_with_benchmarks.summary.filter(
        checkpoint="sft", benchmark="GSM8K", decoding="greedy"
    ).rows(named=True)  # fmt: skip
    line = next(line for line in text.splitlines() if line.lstrip().startswith("sft "))
    assert f"{100 * row['accuracy']:.1f} ({100 * row['no_answer']:.1f})" in line
    assert all(name in text for name in ("GSM8K", "AIME", "IF <b>"))


def test_the_terminal_shows_no_table_without_them(run):
    assert benchmarks_table(run.summary, {}) is None
    assert benchmarks_table(run.summary.filter(pl.lit(False)), {}) is None
