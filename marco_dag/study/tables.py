"""The tables of a study's page, as Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl

from marco_dag.report.markdown import markdown_table
from marco_dag.study.findings import CappedDifference, Finding
from marco_dag.study.variants import Variant

_DECODINGS = ("greedy", "sampled")
_REPEATS = 0.1
_REFLECTS = 3


def levels_table(
    answers: pl.DataFrame, trainings: pl.DataFrame, variants: Mapping[str, Variant], names: Sequence[str]
) -> str:
    """Accuracy, no-answer rate and length of each variant, and what its last stage trained on."""
    header = (
        "variant",
        "what it is",
        *(f"accuracy %, {decoding}" for decoding in _DECODINGS),
        *(f"no answer %, {decoding}" for decoding in _DECODINGS),
        "tokens, sampled",
        "examples",
        "training tokens",
    )
    rows = []
    for name in names:
        own, trained = answers.filter(checkpoint=name), trainings.filter(variant=name)
        rows.append(
            (
                f"`{name}`",
                variants[name].description,
                *(_spread(own, decoding, 100 * pl.col("correct").cast(pl.Float64)) for decoding in _DECODINGS),
                *(_spread(own, decoding, 100 * (~pl.col("answered")).cast(pl.Float64)) for decoding in _DECODINGS),
                _spread(own, "sampled", pl.col("tokens")),
                *(_mean(trained[column]) for column in ("examples", "tokens")),
            )
        )
    return markdown_table(header, rows)


def findings_table(findings: Sequence[Finding]) -> str:
    """Claim, difference, standard error, interval and verdict of each."""
    header = ("claim", "first - second", "measure", "difference", "SE", "interval", "verdict")
    return markdown_table(header, [_finding_row(finding) for finding in findings])


def verdicts_line(findings: Sequence[Finding]) -> str:
    """How many came out which way, and how fine the instrument is."""
    counts = Counter(finding.verdict for finding in findings)
    errors = [100 * finding.estimate.se for finding in findings if finding.estimate and finding.estimate.se is not None]
    parts = [", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()) + "."]
    if errors:
        fine = sum(error <= 1 for error in errors)
        parts.append(f"{fine} of {len(errors)} standard errors are at most 1 point; the largest is {max(errors):.2f}.")
    return " ".join(parts)


def task_table(answers: pl.DataFrame, names: Sequence[str]) -> str:
    """Sampled accuracy (no-answer rate) in per cent by task, means over seeds."""
    tasks = answers["benchmark"].unique().sort().to_list()
    rows = []
    for name in names:
        own = answers.filter(checkpoint=name, decoding="sampled")
        cells = []
        for task in tasks:
            of_task = own.filter(benchmark=task)
            right, stated = (of_task[column].cast(pl.Float64).to_numpy().mean() for column in ("correct", "answered"))
            cells.append(f"{100 * right:.1f} ({100 * (1 - stated):.1f})")
        rows.append((f"`{name}`", *cells))
    return markdown_table(("variant", *tasks), rows)


def decoding_table(decoded: pl.DataFrame) -> str:
    """Test@N of search and of sampling, in per cent, with the tokens that they took a question."""
    rows = []
    for (variant, tries, method), group in decoded.group_by("checkpoint", "tries", "method", maintain_order=True):
        rows.append(
            (
                f"`{variant}`",
                str(tries),
                str(method),
                *(
                    _range([100 * value for value in _seed_means(group, pl.col(column).cast(pl.Float64))])
                    for column in ("solved", "chosen_correct")
                ),
                *(_range(_seed_means(group, pl.col(column))) for column in ("answers", "tokens")),
            )
        )
    header = ("variant", "N", "method", "solved %", "chosen is right %", "answers", "tokens a question")
    return markdown_table(header, rows)


def shapes_table(answers: pl.DataFrame, names: Sequence[str]) -> str:
    """The three shapes of formalistic thinking and the clipped, of sampled responses, in per cent."""
    shapes = {
        f"repeats itself (over {100 * _REPEATS:.0f}% of its 20-word runs)": pl.col("repetition") > _REPEATS,
        f"reflects {_REFLECTS} times or more": pl.col("reflections") >= _REFLECTS,
        "states no answer": ~pl.col("answered"),
        "clipped at the limit": pl.col("clipped"),
    }
    rows = []
    for name in names:
        own = answers.filter(checkpoint=name)
        shares = [_spread(own, "sampled", 100 * shape.cast(pl.Float64)) for shape in shapes.values()]
        rows.append((f"`{name}`", *shares, _spread(own, "sampled", pl.col("reflections"), digits=2)))
    return markdown_table(("variant", *shapes, "reflection words, mean"), rows)


def gain_table(found: Sequence[CappedDifference]) -> str:
    """What the whole recipe gains at each cap, in points of sampled accuracy."""
    seconds = list(dict.fromkeys(each.second for each in found))
    gains = {(each.cap, each.second): _interval(each) for each in found}
    rows = [
        (str(cap), *(gains.get((cap, second), "") for second in seconds))
        for cap in dict.fromkeys(each.cap for each in found)
    ]
    return markdown_table(("tokens at most", *(f"`full` - `{second}`" for second in seconds)), rows)


def _finding_row(finding: Finding) -> tuple[str, ...]:
    made, found = finding.comparison, finding.estimate
    measure = made.measure.replace("_", " ")
    sides = f"`{made.first.variant}` - `{made.second.variant}`"
    if made.first.source == made.second.source:
        measure = f"{measure}, {made.first.source}"
    else:
        sides = f"{made.first.source} - {made.second.source}"
    if found is None:
        return (made.claim, sides, measure, "", "", "", "gap")
    value, low, high = (100 * end for end in (found.value, found.low, found.high))
    se = "" if found.se is None else f"{100 * found.se:.2f}"
    verdict = f"**{finding.verdict}**" if found.excludes_zero or finding.verdict == "same" else finding.verdict
    return (made.claim, sides, measure, f"{value:+.1f}", se, f"{low:+.1f} to {high:+.1f}", verdict)


def _interval(each: CappedDifference) -> str:
    value, low, high = (100 * end for end in (each.estimate.value, each.estimate.low, each.estimate.high))
    text = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"**{text}**" if each.estimate.excludes_zero else text


def _spread(answers: pl.DataFrame, decoding: str, value: pl.Expr, *, digits: int = 1) -> str:
    return _range(_seed_means(answers.filter(decoding=decoding), value), digits)


def _seed_means(rows: pl.DataFrame, value: pl.Expr) -> list[float]:
    return rows.group_by("seed", maintain_order=True).agg(value.mean().alias("value"))["value"].to_list()


def _range(values: Sequence[float], digits: int = 1) -> str:
    """The mean, and the lowest and the highest where there are several."""
    if not values:
        return ""
    mean = f"{sum(values) / len(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _mean(column: pl.Series) -> str:
    values = column.to_list()
    return f"{sum(values) / len(values):,.0f}" if values else ""
