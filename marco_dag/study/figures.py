"""The figures of a study's page; each says its units on its axes, and shows the seeds where it shows a mean."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from marco_dag.report.svg import COLOURS, in_report_style, new_figure
from marco_dag.study.findings import CappedDifference, Finding, capped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 9.6
_DECODINGS = (("greedy", "grey", 0.19), ("sampled", "blue", -0.19))
_LINES = ("blue", "orange", "green", "purple", "grey")


@in_report_style
def rates(answers: pl.DataFrame, variants: Sequence[str]) -> "Figure":
    """Accuracy and no-answer rate of each variant in per cent: bars are means over seeds, dots the seeds."""
    figure = new_figure(_WIDTH, 1.0 + 0.42 * len(variants))
    panels = figure.subplots(1, 2, sharey=True)
    measured = {"Accuracy": pl.col("correct"), "No answer": ~pl.col("answered")}
    for axes, (title, value) in zip(panels, measured.items(), strict=True):
        for decoding, colour, offset in _DECODINGS:
            for place, name in enumerate(reversed(variants)):
                seeds = _by_seed(answers, name, decoding, value)
                label = decoding if place == 0 else None
                axes.barh(place + offset, np.mean(seeds), height=0.36, color=COLOURS[colour], label=label)
                axes.plot(seeds, [place + offset] * len(seeds), "o", color=COLOURS["ink"], markersize=2.5)
        axes.set_title(title)
        axes.set_xlabel("% of responses")
        axes.set_xlim(left=0)
        axes.grid(axis="x")
    panels[0].set_yticks(range(len(variants)), list(reversed(variants)), color=COLOURS["ink"])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


@in_report_style
def differences(findings: Sequence[Finding]) -> "Figure":
    """The comparisons that were made, in percentage points, with the intervals that hold for all of them together."""
    shown = [finding for finding in findings if finding.estimate is not None]
    figure = new_figure(_WIDTH, 0.9 + 0.24 * len(shown))
    axes = figure.subplots()
    for place, finding in enumerate(reversed(shown)):
        assert finding.estimate is not None
        value, low, high = (100 * end for end in (finding.estimate.value, finding.estimate.low, finding.estimate.high))
        colour = COLOURS["orange" if finding.estimate.excludes_zero else "grey"]
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
        axes.plot([value], [place], "o", color=colour, markersize=4)
    axes.axvline(0, color=COLOURS["ink"], linewidth=0.8)
    axes.set_yticks(range(len(shown)), [_named(finding) for finding in reversed(shown)], fontsize=7.5)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlabel("difference in percentage points; orange: the interval leaves zero out")
    axes.grid(axis="x")
    return figure


@in_report_style
def sweep(answers: pl.DataFrame, weights: Sequence[tuple[float, str]]) -> "Figure":
    """Accuracy and no-answer rate over α, in per cent: lines are means over seeds, dots the seeds."""
    figure = new_figure(_WIDTH, 2.8)
    panels = figure.subplots(1, 2)
    measured = {"Accuracy": pl.col("correct"), "No answer": ~pl.col("answered")}
    for axes, (title, value) in zip(panels, measured.items(), strict=True):
        for decoding, colour, _ in _DECODINGS:
            seeds = [_by_seed(answers, name, decoding, value) for _, name in weights]
            where = [weight for weight, _ in weights]
            axes.plot(where, [np.mean(values) for values in seeds], color=COLOURS[colour], label=decoding)
            for weight, values in zip(where, seeds, strict=True):
                axes.plot([weight] * len(values), values, "o", color=COLOURS[colour], markersize=2.5)
        axes.set_title(title)
        axes.set_xlabel("α, the weight of the SFT term")
        axes.set_ylabel("% of responses")
        axes.set_ylim(bottom=0)
        axes.grid()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


@in_report_style
def caps(answers: pl.DataFrame, variants: Sequence[str], limits: Sequence[int]) -> "Figure":
    """Sampled accuracy in per cent where a response may have so many tokens, means over seeds."""
    figure = new_figure(_WIDTH, 3.2)
    axes = figure.subplots()
    for name, colour in zip(variants, _LINES, strict=False):
        means = [np.mean(_by_seed(capped(answers, cap), name, "sampled", pl.col("correct"))) for cap in limits]
        axes.plot(limits, means, color=COLOURS[colour], marker="o", markersize=3, label=name)
    axes.set_xlabel("tokens that a response may have; a longer one states no answer")
    axes.set_ylabel("right answers, % of sampled responses")
    axes.set_ylim(bottom=0)
    axes.grid()
    axes.legend(ncols=3)
    return figure


@in_report_style
def capped_gains(found: Sequence[CappedDifference]) -> "Figure":
    """What the whole recipe gains at each cap in percentage points, with intervals."""
    figure = new_figure(_WIDTH, 2.8)
    axes = figure.subplots()
    for second, colour in zip(dict.fromkeys(each.second for each in found), _LINES, strict=False):
        line = [each for each in found if each.second == second]
        values = np.array([100 * each.estimate.value for each in line])
        ends = 100 * np.array([[each.estimate.low, each.estimate.high] for each in line]).T
        spread = np.stack([values - ends[0], ends[1] - values])
        where = [each.cap for each in line]
        axes.errorbar(where, values, spread, color=COLOURS[colour], capsize=2.5, marker="o", label=f"minus {second}")
    axes.axhline(0, color=COLOURS["ink"], linewidth=0.8)
    axes.set_xlabel("tokens that a response may have")
    axes.set_ylabel("points of accuracy")
    axes.grid()
    axes.legend()
    return figure


def _by_seed(answers: pl.DataFrame, variant: str, decoding: str, value: pl.Expr) -> list[float]:
    """The mean of a measure in per cent, seed by seed; not a number where there is none."""
    of_seed = (
        answers.filter(checkpoint=variant, decoding=decoding)
        .group_by("seed", maintain_order=True)
        .agg((100 * value.cast(pl.Float64)).mean().alias("value"))
    )
    return of_seed["value"].to_list() or [float("nan")]


def _named(finding: Finding) -> str:
    made = finding.comparison
    measure = made.measure.replace("_", " ")
    if made.first.source == made.second.source:
        return f"{made.first.variant} - {made.second.variant}: {measure}, {made.first.source}"
    return f"{made.first.variant}: {made.first.source} - {made.second.source}: {measure}"
