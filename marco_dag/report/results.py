"""The report's sections on scores: which effects were seen, the results table, the tasks one by one, the pictures."""

from collections.abc import Mapping, Sequence

import polars as pl

from marco_dag.evaluation import ALL_BENCHMARKS, Estimate, published_benchmarks
from marco_dag.profiles import Profile
from marco_dag.report import pictures
from marco_dag.report.checkpoints import SummaryRow, describe_checkpoints, error_note, rows_by_key
from marco_dag.report.findings import NO_ANSWER_MARGIN, Finding, findings
from marco_dag.report.formats import GAP, number, percent, percent_and_error, percent_interval, points
from marco_dag.report.markup import Html, element, gap, html, join, picture, section, table
from marco_dag.report.svg import inline_svg

_TONES = {
    "seen": "good",
    "holds": "good",
    "no effect seen": "neutral",
    "undecided": "neutral",
    "opposite seen": "bad",
    "does not hold": "bad",
    None: "neutral",
}


def verdict_section(profile: Profile, scores: pl.DataFrame) -> Html:
    """Each claim with a plain word for what came out, the paired differences and their intervals."""
    found = findings(profile, scores)
    confidence = f"{profile.evaluation.confidence:.0%}"
    note = (
        "Differences are paired by question, in percentage points, with "
        f"{confidence} bootstrap intervals over questions; the sampled answers decide. An effect is seen only where "
        f"the interval leaves zero out; a rate holds where the interval stays below {points(NO_ANSWER_MARGIN)} points. "
        f"One training seed ({profile.seed}): another seed may give another picture. "
        f"{len(found)} comparisons, not corrected for their number."
    )
    return section(
        "Which effects were seen",
        element("ul", *(_finding(item) for item in found), class_="findings"),
        element("p", note, class_="note"),
    )


def results_section(profile: Profile, summary: pl.DataFrame, checkpoints: Sequence[str]) -> Html:
    """Every checkpoint over all tasks: a table with standard errors and intervals, and its picture."""
    descriptions = describe_checkpoints(profile)
    rows = rows_by_key(summary)
    columns = (
        "checkpoint",
        "accuracy %, greedy",
        "accuracy %, sampled",
        "no answer %, greedy",
        "no answer %, sampled",
        "clipped %, sampled",
        "tokens, sampled",
        "repetition %, sampled",
        "reflections per 1k tokens, sampled",
    )
    lines = [
        _result(
            name,
            descriptions.get(name, ""),
            rows.get((name, "greedy", ALL_BENCHMARKS)),
            rows.get((name, "sampled", ALL_BENCHMARKS)),
        )
        for name in checkpoints
    ]
    interval = f"{profile.evaluation.confidence:.0%} interval"
    note = f"{error_note(summary)} In small print: {interval}s."
    parts: list[str] = [table(columns, lines), element("p", note, class_="note")]
    if not summary.is_empty():
        bars = pictures.rates(summary, checkpoints)
        caption = f"Accuracy and no-answer rate of each checkpoint over all tasks; whiskers are {interval}s."
        parts.append(picture(inline_svg(bars, caption), caption))
    return section("Results", *parts)


def tasks_section(summary: pl.DataFrame, checkpoints: Sequence[str]) -> Html:
    """Every checkpoint task by task, on the held-out questions."""
    elsewhere = [ALL_BENCHMARKS, *published_benchmarks(summary)]
    summary = summary.filter(~pl.col("benchmark").is_in(elsewhere))
    tasks = summary["benchmark"].unique(maintain_order=True).to_list()
    if not tasks:
        return section("Task by task", gap("No checkpoint has been scored yet."))
    rows = rows_by_key(summary)
    measures = (
        ("accuracy", "Accuracy, %: sampled above, greedy below"),
        ("no_answer", "No answer, %: sampled above, greedy below"),
    )
    tables = []
    for column, caption in measures:
        lines = [
            [
                name,
                *(
                    join([_rate(rows.get((name, "sampled", task)), column), _small_rate(rows, name, task, column)])
                    for task in tasks
                ),
            ]
            for name in checkpoints
        ]
        tables.append(table(["checkpoint", *tasks], lines, caption))
    counts = summary.group_by("benchmark").agg(pl.col("questions").max())
    asked = dict(counts.iter_rows())
    note = "Questions: " + ", ".join(f"{task} {asked[task]:,}" for task in tasks) + ". ± is one standard error."
    return section("Task by task", *tables, element("p", note, class_="note"))


def lengths_section(profile: Profile, scores: pl.DataFrame, checkpoints: Sequence[str]) -> Html:
    """How long each checkpoint's sampled responses to the held-out questions are."""
    title, limit = "Length of the responses", profile.evaluation.max_tokens
    scores = scores.filter(~pl.col("benchmark").is_in(list(profile.evaluation.benchmarks)))
    if scores.filter(decoding="sampled").is_empty():
        return section(title, gap("No checkpoint has been scored yet."))
    caption = (
        "Tokens of the sampled responses; each row has a scale of its own. "
        f"What stands at {limit:,} tokens ran into the limit and was clipped."
    )
    return section(title, picture(inline_svg(pictures.response_lengths(scores, checkpoints, limit), caption), caption))


def _finding(found: Finding) -> Html:
    claim, outcome = found.claim, found.outcome
    what = "accuracy" if claim.measure == "accuracy" else "no-answer rate"
    parts = [element("strong", claim.title), element("span", f"{claim.a} against {claim.b} · {what} · {claim.source}")]
    sampled, greedy = found.difference("sampled"), found.difference("greedy")
    if sampled is None:
        parts.append(element("span", "One of the two checkpoints has not been scored yet."))
    else:
        questions = found.sampled.questions if found.sampled else 0
        shown = join([element("b", f"{points(sampled.value)} points"), _ends(sampled), f", {questions:,} questions"])
        after = join([f"; greedy {points(greedy.value)}", _ends(greedy)]) if greedy else html("")
        parts.append(element("span", "sampled ", shown, after))
    badge = element("span", outcome or "not scored yet", class_=f"badge {_TONES[outcome]}")
    return element("li", badge, element("div", *parts))


def _ends(estimate: Estimate) -> str:
    return f" ({points(estimate.low)} to {points(estimate.high)})"


def _result(name: str, description: str, greedy: SummaryRow | None, sampled: SummaryRow | None) -> list[str]:
    label = join([name, element("small", description)])
    if greedy is None and sampled is None:
        return [label, element("em", "not scored yet"), *[GAP] * 7]
    return [
        label,
        _rate_with_interval(greedy, "accuracy"),
        _rate_with_interval(sampled, "accuracy"),
        _rate_with_interval(greedy, "no_answer"),
        _rate_with_interval(sampled, "no_answer"),
        percent(sampled["clipped"]) if sampled else GAP,
        number(sampled["tokens"]) if sampled else GAP,
        percent(sampled["repetition"]) if sampled else GAP,
        number(sampled["reflections_per_1k"], 1) if sampled else GAP,
    ]


def _rate(row: SummaryRow | None, column: str) -> str:
    return percent_and_error(row[column], row[f"{column}_se"]) if row else GAP


def _rate_with_interval(row: SummaryRow | None, column: str) -> str:
    if row is None:
        return GAP
    ends = percent_interval(row[f"{column}_low"], row[f"{column}_high"])
    return join([_rate(row, column), element("small", ends)])


def _small_rate(rows: Mapping[tuple[str, str, str], SummaryRow], name: str, task: str, column: str) -> Html:
    return element("small", _rate(rows.get((name, "greedy", task)), column))
