"""How well instructions are followed, as IFEval and Multi-IF count it: by prompt and by instruction, strict and loose.

Multi-IF's score is the mean of the four (He et al. 2024, arXiv 2410.15553), for each turn and each group of languages;
the paper reports the groups zh, en and other. Reads the `details` of the scores; other benchmarks have none.
"""

import numpy as np
import polars as pl

from marco_dag.evaluation.intervals import bootstrap_ratios

INSTRUCTION_SCORES = pl.Schema(
    {
        "checkpoint": pl.String,
        "decoding": pl.String,
        "benchmark": pl.String,
        "languages": pl.String,  # "zh", "en", "other"; "all" where the benchmark has more than one of them
        "turn": pl.Int64,  # 1-based; null: all turns together
        "questions": pl.Int64,
        "prompt_strict": pl.Float64,  # share of responses that follow every instruction
        "instruction_strict": pl.Float64,  # share of instructions that are followed
        "prompt_loose": pl.Float64,  # the same where Markdown and a line at either end are forgiven
        "instruction_loose": pl.Float64,
        "mean": pl.Float64,  # of the four; null turn: the mean over the turns' means
        "mean_low": pl.Float64,
        "mean_high": pl.Float64,
    }
)
"""The columns of `instruction_scores`."""

_MEASURES = ("prompt_strict", "instruction_strict", "prompt_loose", "instruction_loose")
_JUDGED = pl.Struct({"strict": pl.List(pl.Boolean), "loose": pl.List(pl.Boolean), "language": pl.String})
_NAMED = ("zh", "en")


def instruction_scores(scores: pl.DataFrame, confidence: float, *, seed: int = 0) -> pl.DataFrame:
    """One row (INSTRUCTION_SCORES) for each checkpoint, decoding, benchmark, group of languages and turn.

    Of several samples a question the mean counts. Intervals are bootstraps over questions, decided by `seed`.
    No score with judged instructions gives no rows.
    """
    judged = _judged(scores)
    rows: list[dict[str, object]] = []
    keys = ("checkpoint", "decoding", "benchmark")
    for (checkpoint, decoding, benchmark), group in judged.group_by(*keys, maintain_order=True):
        named = {"checkpoint": checkpoint, "decoding": decoding, "benchmark": benchmark}
        parts = [
            (str(name[0]), part) for name, part in group.sort("languages").group_by("languages", maintain_order=True)
        ]
        if len(parts) > 1:
            parts.insert(0, ("all", group))
        for languages, part in parts:
            turns = part["turn"].unique().sort().to_list()
            rows += [
                {**named, "languages": languages, "turn": turn, **_figures(part, picked, confidence, seed)}
                for turn, picked in [(None, turns), *((turn, [turn]) for turn in turns if len(turns) > 1)]
            ]
    return pl.DataFrame(rows, schema=INSTRUCTION_SCORES)


def _judged(scores: pl.DataFrame) -> pl.DataFrame:
    """The responses with judged instructions: what was followed, out of how much, for each of the four measures."""
    details = scores.filter(pl.col("details").str.contains('"strict":')).with_columns(
        pl.col("details").str.json_decode(_JUDGED)
    )
    strict, loose = (pl.col("details").struct.field(name) for name in ("strict", "loose"))
    language = pl.col("details").struct.field("language").fill_null("en")
    return details.with_columns(
        strict.list.all().cast(pl.Float64).alias("prompt_strict"),
        strict.list.sum().cast(pl.Float64).alias("instruction_strict"),
        loose.list.all().cast(pl.Float64).alias("prompt_loose"),
        loose.list.sum().cast(pl.Float64).alias("instruction_loose"),
        strict.list.len().cast(pl.Float64).alias("instructions"),
        pl.when(language.is_in(_NAMED)).then(language).otherwise(pl.lit("other")).alias("languages"),
    )


def _figures(scores: pl.DataFrame, turns: list[int], confidence: float, seed: int) -> dict[str, object]:
    """The four measures and their mean over `turns`; each turn is a column of its own, so that turns weigh alike."""
    questions = scores.filter(pl.col("turn").is_in(turns))["question_id"].unique().sort()
    sums, of = [], []
    for turn in turns:
        means = scores.filter(turn=turn).group_by("question_id").agg(pl.col(*_MEASURES, "instructions").mean())
        means = questions.to_frame().join(means, on="question_id", how="left", maintain_order="left")
        asked = means["instructions"].is_not_null().cast(pl.Float64).to_numpy()
        instructions = means["instructions"].fill_null(0.0).to_numpy()
        for measure in _MEASURES:
            sums.append(means[measure].fill_null(0.0).to_numpy())
            of.append(asked if measure.startswith("prompt") else instructions)
    found = bootstrap_ratios(np.stack(sums, axis=1), np.stack(of, axis=1), confidence, seed)
    shares = [float(np.mean([sums[i].sum() / of[i].sum() for i in range(m, len(sums), 4)])) for m in range(4)]
    figures = {"mean": found.value, "mean_low": found.low, "mean_high": found.high}
    return {"questions": questions.len(), **dict(zip(_MEASURES, shares, strict=True)), **figures}
