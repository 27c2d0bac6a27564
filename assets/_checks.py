"""What must hold of a table before anything is built on it; each is one blocking asset check of its asset."""

import dagster as dg
import polars as pl

from marco_dag.evaluation import ALL_BENCHMARKS
from marco_dag.schemas import TABLES, Frame, conform
from marco_dag.seeds import Decontamination, DecontaminationConfig
from marco_dag.tasks import is_held_out

SCHEMA = "schema"
NOT_HELD_OUT = "no_held_out_prompt"
CLEAN = "no_benchmark_overlap"
SOME_CORRECT = "some_correct_chain"
ANSWERS = "no_answer_rate"

_DESCRIPTIONS = {
    SCHEMA: "The table has the columns and types that marco_dag.schemas says.",
    NOT_HELD_OUT: "No prompt is a held-out question, or held out by the hash of its text.",
    CLEAN: "No question is one that a benchmark asks, nor shares a long run of words with one (seeds.decontamination).",
    SOME_CORRECT: "Some tree of the batch reached a correct answer that may be trained on; an empty batch is fine.",
    ANSWERS: "The sampled no-answer rate of a candidate is not above the profile's limit; others are only warned of.",
}


def blocking(name: str, asset: str) -> dg.AssetCheckSpec:
    """The declaration of one of the checks above on an asset; a failure stops what is built on it."""
    return dg.AssetCheckSpec(name, asset=asset, description=_DESCRIPTIONS[name], blocking=True)


def schema_holds(frame: Frame, table: str) -> dg.AssetCheckResult:
    """Whether `frame` is a `table`, and no identifier of it is null."""
    try:
        conformed = conform(frame, table)
    except ValueError as error:
        return dg.AssetCheckResult(check_name=SCHEMA, passed=False, description=str(error))
    ids = [name for name in TABLES[table] if name.endswith("_id") and name != "parent_id"]
    counts = conformed.lazy().select(pl.len().alias("rows"), pl.col(ids).null_count()).collect(engine="streaming")
    found = counts.row(0, named=True)
    nulls = [f"{name}: {found[name]}" for name in ids if found[name]]
    return dg.AssetCheckResult(
        check_name=SCHEMA,
        passed=not nulls,
        description=f"null ids: {', '.join(nulls)}" if nulls else None,
        metadata={"rows": found["rows"]},
    )


def none_held_out(frame: pl.DataFrame, questions: pl.DataFrame, share: float) -> dg.AssetCheckResult:
    """Whether no `prompt` of a training set is among the held-out questions, nor in the held-out share."""
    prompts = frame["prompt"].unique()
    asked = set(questions["prompt"].to_list())
    leaked = sorted(prompt for prompt in prompts if prompt in asked or is_held_out(prompt, share))
    return dg.AssetCheckResult(
        check_name=NOT_HELD_OUT,
        passed=not leaked,
        description=f"{len(leaked)} held-out prompts, first {leaked[0][:200]!r}" if leaked else None,
        metadata={"prompts": len(prompts), "held out": len(leaked)},
    )


def none_in_a_benchmark(
    seeds: pl.DataFrame, questions: pl.DataFrame, config: DecontaminationConfig
) -> dg.AssetCheckResult:
    """Whether none of `seeds` (the table's rows) overlaps with the benchmarks' `questions` (QUESTION_TEXTS)."""
    found = Decontamination(questions, config).overlaps(seeds)
    contaminated = found["seed"].n_unique()
    description = None
    if contaminated:
        first = found.row(0, named=True)
        description = (
            f"{contaminated} seeds overlap with a benchmark; first {seeds['seed_id'][first['seed']]} with what "
            f"{first['benchmark']} asks ({first['question_id']}): {first['overlap'][:200]!r}. Materialize seed_prompts "
            "and what is made from it again"
        )
    return dg.AssetCheckResult(
        check_name=CLEAN,
        passed=contaminated == 0,
        description=description,
        metadata={"seeds": seeds.height, "questions": questions.height, "contaminated": contaminated},
    )


def some_correct(chains: pl.DataFrame, trees: pl.DataFrame) -> dg.AssetCheckResult:
    """Whether a batch with trees has a correct chain."""
    correct = chains.filter(pl.col("correct")).height
    reasons = dict(trees["stop_reason"].value_counts(sort=True).rows())
    return dg.AssetCheckResult(
        check_name=SOME_CORRECT,
        passed=correct > 0 or trees.is_empty(),
        description=None
        if correct or trees.is_empty()
        else f"none of {trees.height} trees reached a correct answer; stopped because: {reasons}. "
        "Give the search more rollouts or a stronger generator, or check the references of the seeds.",
        metadata={"trees": trees.height, "correct chains": correct},
    )


def answers_given(summary: pl.DataFrame, limit: float, *, candidate: bool) -> dg.AssetCheckResult:
    """Whether the sampled no-answer rate on the held-out questions is at most `limit`; blocks for a candidate only."""
    rate = summary.filter(decoding="sampled", benchmark=ALL_BENCHMARKS)["no_answer"].item()
    return dg.AssetCheckResult(
        check_name=ANSWERS,
        passed=rate <= limit,
        severity=dg.AssetCheckSeverity.ERROR if candidate else dg.AssetCheckSeverity.WARN,
        description=f"{rate:.1%} of the sampled responses end without an answer; the limit is {limit:.1%}",
        metadata={"no-answer rate": float(rate), "limit": limit},
    )
