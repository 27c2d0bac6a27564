"""What came out, as Markdown: between two markers of a page, or in a file of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from experiments.second_stage.summary import FAMILY_ERROR, Difference
from experiments.second_stage.variants import BUDGET, CONTROL, SFT, Variant
from marco_dag.evaluation import Decoding

BEGIN, END = "<!-- second-stage: begin -->", "<!-- second-stage: end -->"
"""What stands between these two lines of a page is the command's."""

_DECODINGS: tuple[Decoding, ...] = ("greedy", "sampled")


def markdown(
    answers: pl.DataFrame, trainings: pl.DataFrame, found: Sequence[Difference], variants: Mapping[str, Variant]
) -> str:
    """The tables, with how many seeds, teachers and questions are behind them."""
    seeds, teachers = answers["seed"].n_unique(), answers["teacher"].n_unique()
    questions = answers.select("benchmark", "question_id").n_unique()
    coverage = 1 - FAMILY_ERROR / len(found)
    parts = [
        f"{_count(seeds, 'seed')}, {_count(teachers, 'teacher')}, {questions:,} distinct held-out questions. "
        "Means over seeds, lowest to highest seed in brackets.",
        _levels(answers, trainings, variants),
        f"Differences to `{CONTROL}` in percentage points, paired by seed and question, with the interval of a "
        f"bootstrap over seeds and questions: each covers {100 * coverage:.2f}%, so that all {len(found)} together "
        f"cover {100 * (1 - FAMILY_ERROR):.0f}% (Bonferroni). **Bold**: the interval leaves zero out. Everything else "
        "is no difference seen.",
        _differences(found),
    ]
    return "\n\n".join(parts) + "\n"


def write_between_markers(page: Path, text: str) -> None:
    """Put `text` between the page's markers; ValueError where it does not have both, once, in order."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in after:
        raise ValueError(f"{page}: needs the line {BEGIN} and below it the line {END}, once each")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _levels(answers: pl.DataFrame, trainings: pl.DataFrame, variants: Mapping[str, Variant]) -> str:
    described = {SFT: "what all start from: SFT on the longest chains"}
    described |= {name: variant.recipe.description for name, variant in variants.items()}
    budget = _mean(trainings, BUDGET, "tokens")
    header = (
        "checkpoint",
        "second stage",
        *(f"accuracy %, {decoding}" for decoding in _DECODINGS),
        *(f"no answer %, {decoding}" for decoding in _DECODINGS),
        "mean tokens, sampled",
        "examples",
        "steps",
        f"training tokens, % of `{BUDGET}`",
    )
    rows = []
    for name, description in described.items():
        training = [f"{_mean(trainings, name, column):,.0f}" for column in ("examples", "steps")]
        share = "" if name == SFT else f"{100 * _mean(trainings, name, 'tokens') / budget:.1f}"
        mine = answers.filter(checkpoint=name)
        rows.append(
            (
                f"`{name}`",
                description,
                *(_spread(mine, decoding, 100 * pl.col("correct").cast(pl.Float64)) for decoding in _DECODINGS),
                *(_spread(mine, decoding, 100 * (~pl.col("answered")).cast(pl.Float64)) for decoding in _DECODINGS),
                _spread(mine, "sampled", pl.col("tokens")),
                *training,
                share,
            )
        )
    return f"{_table(header, rows)}\n\n`{BUDGET}` trains on {budget:,.0f} tokens, prompts included."


def _differences(found: Sequence[Difference]) -> str:
    columns = list(dict.fromkeys((each.comparison.measure, each.comparison.decoding) for each in found))
    cells: dict[str, list[str]] = {}
    for each in found:
        cells.setdefault(each.comparison.checkpoint, []).append(_cell(each))
    titles = {"accuracy": "accuracy", "no_answer": "no answer"}
    header = ("checkpoint", *(f"{titles[measure]}, {decoding}" for measure, decoding in columns))
    return _table(header, [(f"`{name}`", *row) for name, row in cells.items()])


def _cell(found: Difference) -> str:
    value, low, high = (100 * end for end in (found.estimate.value, found.estimate.low, found.estimate.high))
    text = f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"**{text}**" if found.estimate.excludes_zero else text


def _spread(answers: pl.DataFrame, decoding: Decoding, value: pl.Expr) -> str:
    """The mean over seeds, and the lowest and the highest seed where there are several."""
    of_seed = answers.filter(decoding=decoding).group_by("seed").agg(value.mean().alias("value"))["value"].to_list()
    mean = f"{sum(of_seed) / len(of_seed):.1f}"
    return mean if len(of_seed) == 1 else f"{mean} ({min(of_seed):.1f} to {max(of_seed):.1f})"


def _mean(trainings: pl.DataFrame, checkpoint: str, column: str) -> float:
    values = trainings.filter(checkpoint=checkpoint)[column].to_list()
    return float(sum(values) / len(values))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
