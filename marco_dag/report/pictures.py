"""The figures of the report, drawn with matplotlib from the tables; each says its units on its axes.

Pictures of measured things only: nothing is smoothed but the density lines of the length distributions (a Gaussian KDE
over the bars, Scott's bandwidth), which never stand without their histogram. Tables without a row to draw are a
ValueError.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marco_dag.evaluation import ALL_BENCHMARKS
from marco_dag.evaluation.intervals import wilson
from marco_dag.report.checkpoints import rows_by_key
from marco_dag.report.svg import COLOURS, in_report_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 9.6
_BINS = 28
_RANKS = (("shortest", "blue"), ("medium", "orange"), ("longest", "green"))
_DECODINGS = (("greedy", "grey", 0.19), ("sampled", "blue", -0.19))
_METHODS = (("mcts", "blue"), ("sampling", "orange"))
_LOSS_COLOURS = ("blue", "orange", "green", "purple")


@in_report_style
def rates(summary: pl.DataFrame, checkpoints: Sequence[str]) -> "Figure":
    """Accuracy and no-answer rate of each checkpoint over all benchmarks, as bars with their intervals, in per cent."""
    figure = new_figure(_WIDTH, 1.2 + 0.48 * len(checkpoints))
    rows = rows_by_key(summary)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, column, title in zip(panels, ("accuracy", "no_answer"), ("Accuracy", "No answer"), strict=True):
        for decoding, colour, offset in _DECODINGS:
            found = [
                (place + offset, row)
                for place, name in enumerate(reversed(checkpoints))
                if (row := rows.get((name, decoding, ALL_BENCHMARKS)))
            ]
            values = np.array([100 * row[column] for _, row in found])
            lows = np.array([100 * row[f"{column}_low"] for _, row in found])
            highs = np.array([100 * row[f"{column}_high"] for _, row in found])
            axes.barh(
                [y for y, _ in found],
                values,
                height=0.36,
                color=COLOURS[colour],
                xerr=np.stack([values - lows, highs - values]) if found else None,
                error_kw={"ecolor": COLOURS["ink"], "elinewidth": 1.1, "capsize": 2.5},
                label=decoding,
            )
        axes.set_title(title)
        axes.set_xlabel("% of questions")
        axes.set_xlim(left=0)
        axes.set_ylim(-0.6, len(checkpoints) - 0.4)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(checkpoints)), list(reversed(checkpoints)), color=COLOURS["ink"])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


@in_report_style
def chain_lengths(chains: pl.DataFrame) -> "Figure":
    """The lengths of shortest, medium and longest correct chains, one panel a task (paper, Figure 3).

    `chains` has the columns `task`, `length_rank` and `tokens`; rows without a rank (wrong chains) are left out.
    """
    ranked = chains.filter(pl.col("length_rank").is_not_null())
    tasks = ranked["task"].unique().sort().to_list()
    lines, columns = _grid(len(tasks), most_columns=2)
    figure = new_figure(_WIDTH, 0.5 + 2.3 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes, task in zip(grid, tasks, strict=False):
        of_task = ranked.filter(task=task)
        bins = _bins(of_task["tokens"].to_numpy())
        for rank, colour in _RANKS:
            _distribution(axes, of_task.filter(length_rank=rank)["tokens"].to_numpy(), bins, colour, rank)
        axes.set_title(task)
        axes.set_xlabel("tokens of a chain")
        axes.set_ylabel("chains")
        axes.grid(axis="y")
    for axes in grid[len(tasks) :]:
        axes.remove()
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return figure


@in_report_style
def response_lengths(scores: pl.DataFrame, checkpoints: Sequence[str], limit: int) -> "Figure":
    """The lengths of each checkpoint's sampled responses, one row a checkpoint, all on one scale of tokens.

    `limit` is the most tokens a response may have; what stands there was clipped.
    """
    sampled = scores.filter(decoding="sampled")
    shown = [name for name in checkpoints if not sampled.filter(checkpoint=name).is_empty()]
    lines, columns = _grid(len(shown), most_columns=1)
    figure = new_figure(_WIDTH, 0.7 + 0.85 * lines)
    bins = np.linspace(0, limit, 49)
    panels = figure.subplots(lines, columns, sharex=True, squeeze=False).flatten()
    for axes, name in zip(panels, shown, strict=True):
        tokens = sampled.filter(checkpoint=name)["tokens"].to_numpy()
        axes.hist(tokens, bins=bins, weights=np.full(tokens.size, 100 / tokens.size), color=COLOURS["blue"])
        axes.axvline(tokens.mean(), color=COLOURS["orange"], linewidth=1.6)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", color=COLOURS["ink"], labelpad=12)
        axes.yaxis.set_major_locator(_few_ticks())
        axes.grid(axis="y")
    figure.align_ylabels(panels)
    panels[-1].set_xlabel("tokens of a sampled response; bars in % of the checkpoint's responses, line at the mean")
    return figure


@in_report_style
def solved_by_tokens(summary: pl.DataFrame) -> "Figure":
    """Search and sampling by the tokens that they took a question (TEST_AT_N), with intervals, in per cent.

    On the left how often one answer at least is right, on the right how often the chosen one is. One checkpoint, all
    benchmarks together; each point is labelled with its N.
    """
    rows = summary.filter(benchmark=ALL_BENCHMARKS)
    _grid(rows.height, most_columns=1)
    figure = new_figure(_WIDTH, 3.2)
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"solved": "One of the answers is right", "chosen": "The chosen answer is right"}
    for axes, (measure, title) in zip(panels, titles.items(), strict=True):
        for method, colour in _METHODS:
            line = rows.filter(method=method).sort("tries")
            values, low, high = (100 * line[f"{measure}{end}"].to_numpy() for end in ("", "_low", "_high"))
            spread = np.stack([values - low, high - values])
            axes.errorbar(line["tokens"], values, spread, color=COLOURS[colour], capsize=2.5, marker="o", label=method)
            for tokens, value, tries in zip(line["tokens"], values, line["tries"], strict=True):
                axes.annotate(f"{tries}", (tokens, value), (5, -10), textcoords="offset points", color=COLOURS["muted"])
        axes.set_xscale("log")
        axes.set_title(title)
        axes.set_xlabel("sampled tokens a question, mean")
        axes.grid()
    panels[0].set_ylabel("% of questions")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


@in_report_style
def losses(curves: Mapping[str, pl.DataFrame]) -> "Figure":
    """The training losses of each stage over its optimizer steps.

    Each frame has a column `step` and one or more columns whose names end in "loss"; others are left out.
    """
    lines, columns = _grid(len(curves), most_columns=2 if len(curves) == 4 else 3)
    figure = new_figure(_WIDTH, 2.4 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).flatten()
    for axes, (stage, curve) in zip(grid, curves.items(), strict=False):
        names = [name for name in curve.columns if name.endswith("loss")]
        for name, colour in zip(names, _LOSS_COLOURS, strict=False):
            line = curve.select("step", name).drop_nulls()
            axes.plot(line["step"], line[name], color=COLOURS[colour], linewidth=1.4, label=name)
        if len(names) > 1:
            axes.legend(fontsize=8)
        axes.set_title(stage)
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("loss")
        axes.grid()
    for axes in grid[len(curves) :]:
        axes.remove()
    return figure


@in_report_style
def watched(watches: Mapping[str, pl.DataFrame]) -> "Figure":
    """What the looks at the watched questions showed while each stage trained, a line of two panels a stage.

    Each frame has the columns of marco_dag.training.looks.WATCH. Bars are 95% Wilson intervals over the questions; the
    dotted line stands at the step whose weights were kept.
    """
    lines, _ = _grid(len(watches), most_columns=1)
    figure = new_figure(_WIDTH, 2.4 * lines)
    for (stage, looks), (rates_axes, tokens_axes) in zip(
        watches.items(), figure.subplots(lines, 2, squeeze=False), strict=True
    ):
        for name, label, colour in (("accuracy", "accuracy", "blue"), ("no_answer", "no answer", "orange")):
            ends = [wilson(rate, n, 0.95) for rate, n in looks.select(name, "questions").iter_rows()]
            low, high = 100 * np.array(ends).T
            values = 100 * looks[name].to_numpy()
            rates_axes.errorbar(
                looks["step"],
                values,
                yerr=np.stack([values - low, high - values]),
                color=COLOURS[colour],
                linewidth=1.4,
                elinewidth=0.8,
                capsize=2,
                label=label,
            )
        rates_axes.set_ylabel("% of questions")
        rates_axes.legend(fontsize=8)
        tokens_axes.plot(looks["step"], looks["tokens"], color=COLOURS["green"], linewidth=1.4)
        tokens_axes.set_ylabel("tokens an answer, mean")
        for axes in (rates_axes, tokens_axes):
            axes.axvline(looks.filter("kept")["step"][0], color=COLOURS["grey"], linewidth=1, linestyle=":")
            axes.set_title(stage)
            axes.set_xlabel("optimizer step")
            axes.set_ylim(bottom=0)
            axes.grid()
    return figure


def _grid(panels: int, most_columns: int) -> tuple[int, int]:
    """Lines and columns that hold so many panels; ValueError where there are none."""
    if panels == 0:
        raise ValueError("there is nothing to draw: the tables given hold no row for this picture")
    columns = min(most_columns, panels)
    return -(-panels // columns), columns


def _bins(tokens: NDArray[Any]) -> NDArray[Any]:
    """Edges of at most 28 bins of whole tokens, all as wide."""
    low, high = int(tokens.min()), int(tokens.max())
    width = max(1, -(-(high - low + 1) // _BINS))
    edges: NDArray[Any] = np.arange(low, high + width + 1, width) - 0.5
    return edges


def _distribution(axes: Any, tokens: NDArray[Any], bins: NDArray[Any], colour: str, label: str) -> None:  # noqa: ANN401
    if tokens.size == 0:
        return
    axes.hist(tokens, bins=bins, color=COLOURS[colour], alpha=0.35, label=label)
    spread = tokens.std()
    if spread > 0:
        where = np.linspace(bins[0], bins[-1], 200)
        bandwidth = spread * tokens.size ** (-1 / 5)
        values, counts = np.unique(tokens, return_counts=True)
        bells = np.exp(-0.5 * ((where[:, None] - values[None, :]) / bandwidth) ** 2)  # (where, values)
        density = bells @ counts / (bandwidth * np.sqrt(2 * np.pi))
        axes.plot(where, density * (bins[1] - bins[0]), color=COLOURS[colour], linewidth=1.5)


def _few_ticks() -> Any:  # noqa: ANN401
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(2)
