"""The report's section on published benchmarks: each with its rates, repeated sampling, instructions by language."""

from collections.abc import Sequence

import polars as pl

from marco_dag.evaluation import instruction_scores, published_benchmarks, repeats
from marco_dag.profiles import Profile
from marco_dag.report.formats import number, percent, percent_and_error, percent_interval
from marco_dag.report.markup import Html, element, html, join, section, table

_RATES = (
    "checkpoint",
    "answers",
    "accuracy %",
    "no answer %",
    "clipped %",
    "tokens",
    "repetition %",
    "reflections per 1k tokens",
    "odd",
)
_NOTE = (
    "± is one standard error over questions; in small print the interval. Odd: answers that could not be read, or not "
    "be checked in time; they count as wrong. Test@N: solved at least once in N samples. Majority: the most frequent "
    "answer of the first N. Of instructions, mean is that of the four measures."
)


def published_section(
    profile: Profile, scores: pl.DataFrame, summary: pl.DataFrame, checkpoints: Sequence[str]
) -> Html:
    """Every published benchmark that was scored; nothing where there is none."""
    names = published_benchmarks(summary)
    if not names:
        return html("")
    confidence, seed = profile.evaluation.confidence, profile.seed
    published = scores.filter(pl.col("benchmark").is_in(names))
    parts = [table(_RATES, _rate_rows(summary.filter(benchmark=name), checkpoints), name) for name in names]
    if not (repeated := repeats(published, confidence, seed=seed)).is_empty():
        parts.append(_repeats_table(repeated))
    if not (followed := instruction_scores(published, confidence, seed=seed)).is_empty():
        parts.append(_instructions_table(followed))
    return section("Published benchmarks", *parts, element("p", _NOTE, class_="note"))


def _rate_rows(summary: pl.DataFrame, checkpoints: Sequence[str]) -> list[list[str]]:
    rows = {(row["checkpoint"], row["decoding"]): row for row in summary.iter_rows(named=True)}
    found = [rows[key] for name in checkpoints for key in ((name, "greedy"), (name, "sampled")) if key in rows]
    return [
        [
            row["checkpoint"],
            f"{row['decoding']}, {number(row['answers'])}",
            _with_interval(percent_and_error(row["accuracy"], row["accuracy_se"]), row, "accuracy"),
            _with_interval(percent_and_error(row["no_answer"], row["no_answer_se"]), row, "no_answer"),
            percent(row["clipped"]),
            number(row["tokens"]),
            percent(row["repetition"]),
            number(row["reflections_per_1k"], 1),
            number(row["odd"]),
        ]
        for row in found
    ]


def _repeats_table(repeated: pl.DataFrame) -> Html:
    rows = [
        [
            row["benchmark"],
            row["checkpoint"],
            number(row["n"]),
            _with_interval(percent(row["test_at_n"]), row, "test_at_n"),
            _with_interval(percent(row["majority"]), row, "majority"),
        ]
        for row in repeated.iter_rows(named=True)
    ]
    return table(("benchmark", "checkpoint", "N", "Test@N %", "majority of N %"), rows, "Repeated sampling")


def _instructions_table(followed: pl.DataFrame) -> Html:
    measures = ("prompt_strict", "instruction_strict", "prompt_loose", "instruction_loose")
    rows = [
        [
            row["benchmark"],
            row["checkpoint"],
            row["decoding"],
            row["languages"],
            "all" if row["turn"] is None else number(row["turn"]),
            *(percent(row[measure]) for measure in measures),
            _with_interval(percent(row["mean"]), row, "mean"),
        ]
        for row in followed.iter_rows(named=True)
    ]
    shown = tuple(f"{measure.replace('_', ', ')} %" for measure in measures)
    columns = ("benchmark", "checkpoint", "decoding", "languages", "turn", *shown, "mean %")
    return table(columns, rows, "Instructions followed")


def _with_interval(shown: str, row: dict[str, float], column: str) -> str:
    return join([shown, element("small", percent_interval(row[f"{column}_low"], row[f"{column}_high"]))])
