"""The results as Markdown: for the summary of a continuous-integration run, or a comment on a change."""

from collections.abc import Mapping, Sequence

import polars as pl

from marco_dag.evaluation import ALL_BENCHMARKS, published_benchmarks
from marco_dag.report.checkpoints import error_note, in_order, rows_by_key
from marco_dag.report.formats import GAP, number, percent, percent_and_error


def results_markdown(summary: pl.DataFrame, descriptions: Mapping[str, str]) -> str:
    """The figures of `results_table` and `benchmarks_table`, one Markdown table each, and what they rest on."""
    rows, checkpoints = rows_by_key(summary), in_order(descriptions, summary)
    held_out = []
    for checkpoint in checkpoints:
        greedy, sampled = (rows.get((checkpoint, decoding, ALL_BENCHMARKS)) for decoding in ("greedy", "sampled"))
        rates = [
            percent_and_error(row[rate], row[f"{rate}_se"]) if row else GAP
            for rate in ("accuracy", "no_answer")
            for row in (greedy, sampled)
        ]
        tokens = number(sampled["tokens"]) if sampled else GAP
        held_out.append([checkpoint, descriptions.get(checkpoint, ""), *rates, tokens])
    columns = ["accuracy %, greedy", "accuracy %, sampled", "no answer %, greedy", "no answer %, sampled", "tokens"]
    parts = [markdown_table(["checkpoint", "what it is", *columns], held_out), error_note(summary)]
    if names := published_benchmarks(summary):
        published = []
        for checkpoint in checkpoints:
            found = [rows.get((checkpoint, "greedy", n)) or rows.get((checkpoint, "sampled", n)) for n in names]
            shown = [f"{percent(row['accuracy'])} ({percent(row['no_answer'])})" if row else GAP for row in found]
            published.append([checkpoint, *shown])
        parts += ["Published benchmarks, accuracy (no answer) %:", markdown_table(["checkpoint", *names], published)]
    return "\n\n".join(parts) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; what would end a cell or a row is taken out of them."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
