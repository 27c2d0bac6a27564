"""The tables that end a run in the terminal: the held-out questions, and the published benchmarks."""

from collections.abc import Mapping

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from marco_dag.evaluation import ALL_BENCHMARKS, published_benchmarks
from marco_dag.report.checkpoints import SummaryRow, error_note, in_order, rows_by_key
from marco_dag.report.formats import GAP, number, percent, percent_and_error

_RATE_COLUMNS = (
    ("accuracy\n%\ngreedy", "greedy", "accuracy"),
    ("accuracy\n%\nsampled", "sampled", "accuracy"),
    ("no answer\n%\ngreedy", "greedy", "no_answer"),
    ("no answer\n%\nsampled", "sampled", "no_answer"),
)


def results_table(summary: pl.DataFrame, descriptions: Mapping[str, str]) -> Table:
    """One row a checkpoint over all benchmarks: `base`, `sft`, then the others in the order of `descriptions`.

    `summary` is what `marco_dag.evaluation.summarize` returns; `descriptions` says what each checkpoint is. A described
    checkpoint that is not in the summary shows as a row of dashes. Fits a terminal of 80 columns; the caption says what
    the checkpoints are and what the figures rest on.
    """
    checkpoints = in_order(descriptions, summary)
    explained = [f"{name}: {descriptions[name]}" for name in checkpoints if name in descriptions]
    table = Table(
        title="Held-out questions, all tasks together",
        caption=Text("\n".join([error_note(summary), *explained])),
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("checkpoint", style="bold", no_wrap=True)
    for title, *_ in _RATE_COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("tokens\n\nsampled", justify="right")
    table.add_column("clipped\n%\nsampled", justify="right")
    rows = rows_by_key(summary)
    for checkpoint in checkpoints:
        sampled = rows.get((checkpoint, "sampled", ALL_BENCHMARKS))
        table.add_row(
            Text(checkpoint),
            *(_rate(rows.get((checkpoint, decoding, ALL_BENCHMARKS)), column) for _, decoding, column in _RATE_COLUMNS),
            number(sampled["tokens"]) if sampled else GAP,
            percent(sampled["clipped"]) if sampled else GAP,
        )
    return table


def benchmarks_table(summary: pl.DataFrame, descriptions: Mapping[str, str]) -> Table | None:
    """One row a checkpoint, one column a published benchmark: accuracy (no-answer rate) in per cent, as papers have it.

    Of the greedy answers, where there are any, else of the sampled ones. None where no published benchmark was scored.
    """
    names = published_benchmarks(summary)
    if not names:
        return None
    rows = rows_by_key(summary)
    caption = (
        "accuracy (no answer), % of the questions; greedy where a benchmark is asked so, else the mean of its samples"
    )
    table = Table(
        title="Published benchmarks", caption=caption, caption_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("checkpoint", style="bold", no_wrap=True)
    for name in names:
        table.add_column(Text(name), justify="right")
    for checkpoint in in_order(descriptions, summary):
        found = [rows.get((checkpoint, "greedy", name)) or rows.get((checkpoint, "sampled", name)) for name in names]
        shown = [f"{percent(row['accuracy'])} ({percent(row['no_answer'])})" if row else GAP for row in found]
        table.add_row(Text(checkpoint), *shown)
    return table


def _rate(row: SummaryRow | None, column: str) -> str:
    return percent_and_error(row[column], row[f"{column}_se"]) if row else GAP
