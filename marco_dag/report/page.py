"""The report as one self-contained HTML page: no script, no font, no picture from anywhere else.

Puts the sections in order; what each says is theirs (`results`, `data`, `samples`). Model output and names from
profiles are text and are escaped (`markup`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import polars as pl

from marco_dag.evaluation import ALL_BENCHMARKS
from marco_dag.profiles import Profile
from marco_dag.report.checkpoints import in_order
from marco_dag.report.data import chains_section, pairs_section, search_section, training_section
from marco_dag.report.formats import GAP, number, percent
from marco_dag.report.markup import Html, element, html, join
from marco_dag.report.published import published_section
from marco_dag.report.results import lengths_section, results_section, tasks_section, verdict_section
from marco_dag.report.samples import samples_section

REPORT_FILE = "report.html"
"""The page's name in its folder."""


def write_report(
    folder: Path,
    *,
    profile: Profile,
    scores: pl.DataFrame,
    summary: pl.DataFrame,
    chains: pl.DataFrame,
    trees: pl.DataFrame,
    pairs: pl.DataFrame,
    curves: Mapping[str, pl.DataFrame],
    watches: Mapping[str, pl.DataFrame] | None = None,
    questions: pl.DataFrame | None = None,
) -> Path:
    """Write `report.html` into `folder` (made where it is missing) and return its path.

    The tables are those of `marco_dag.schemas`, `summary` is `marco_dag.evaluation.summarize(scores, …)`, `curves` maps
    a stage to a frame with `step` and columns ending in "loss", `watches` a stage to its looks at the watched questions
    (marco_dag.training.looks.WATCH), and `questions` (`seed_id`, which may be the id of any
    question, and `prompt`) lets the examples say what was asked. Any table may be empty and any checkpoint missing: the
    page shows the gap. Two calls with the same tables differ in the date only.
    """
    checkpoints = in_order(profile.checkpoints, summary)
    body = [
        _header(profile, summary, trees, pairs),
        verdict_section(profile, scores),
        results_section(profile, summary, checkpoints),
        tasks_section(summary, checkpoints),
        published_section(profile, scores, summary, checkpoints),
        lengths_section(profile, scores, checkpoints),
        search_section(trees, chains),
        chains_section(profile, trees, chains),
        pairs_section(pairs),
        training_section(curves, watches or {}),
        samples_section(chains, scores, _prompts(pairs, questions)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT_FILE
    path.write_text(_document(f"Distillation report: {profile.name}", join(body)), encoding="utf-8")
    return path


def _document(title: str, body: Html) -> str:
    style = (files("marco_dag.report") / "style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _header(profile: Profile, summary: pl.DataFrame, trees: pl.DataFrame, pairs: pl.DataFrame) -> Html:
    student = summary.filter(checkpoint="sft", decoding="sampled", benchmark=ALL_BENCHMARKS)
    questions = summary.filter(benchmark=ALL_BENCHMARKS)["questions"].max()
    tiles = (
        ("prompts searched", number(trees["seed_id"].n_unique())),
        ("of them solved", GAP if trees.is_empty() else f"{percent(_solved(trees))}%"),
        ("preference pairs", number(pairs.height)),
        ("held-out questions", number(questions if isinstance(questions, int) else None)),
        ("accuracy after SFT, sampled", GAP if student.is_empty() else f"{percent(student['accuracy'][0])}%"),
    )
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return element(
        "header",
        element("h1", "Distillation report"),
        element("p", f"profile {profile.name} · seed {profile.seed} · {date}", class_="note"),
        element("dl", *(element("div", element("dt", name), element("dd", value)) for name, value in tiles)),
    )


def _solved(trees: pl.DataFrame) -> float:
    """Share of the prompts with a right answer in one of their trees."""
    by_prompt = trees.group_by("seed_id").agg((pl.col("correct") > 0).any())
    return float(by_prompt["correct"].sum()) / by_prompt.height


def _prompts(pairs: pl.DataFrame, questions: pl.DataFrame | None) -> dict[str, str]:
    frames = [pairs, *([questions] if questions is not None else [])]
    return dict(pl.concat([frame.select("seed_id", "prompt") for frame in frames]).iter_rows())
