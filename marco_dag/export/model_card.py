"""The card of a checkpoint: what it is, what it was trained on and how, how it scores."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from marco_dag import __version__
from marco_dag.evaluation import ALL_BENCHMARKS
from marco_dag.export.cards import Licence, cell, markdown_table, terms, yaml_block
from marco_dag.export.provenance import Provenance
from marco_dag.seeds import GENERATED

_HELD_OUT = "held-out questions, all tasks"


def model_fields(name: str, base: str | None, licence: Licence, summary: pl.DataFrame) -> dict[str, object]:
    """The fields in front of the card, as the hub reads them; `base` is the base model's name there, if it has one."""
    fields: dict[str, object] = {
        **licence.fields(),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["marco-dag", "reasoning", "tree-search"],
    }
    if base is not None:
        fields["base_model"] = base
    if results := [_result(row) for row in summary.iter_rows(named=True)]:
        fields["model-index"] = [{"name": name, "results": results}]
    return fields


def model_parts(
    name: str,
    digest: str,
    provenance: Provenance,
    names: Mapping[str, str],
    summary: pl.DataFrame,
    licence: Licence,
    *,
    confidence: float,
) -> Iterator[str]:
    """The parts of the card. `names`: digest → what a model is called; `summary` as `summarize` gives it."""
    yield (
        f"# {cell(name)}\n\nA student model that learnt to reason from chains of thought grown by tree search with "
        f"checked answers, as Marco-o1 v2 has it (arXiv 2503.01461), by Marco DAG {__version__}. Weights: safetensors; "
        f"digest `{digest}`. It thinks in tagged blocks (`<thinking>…</thinking>`) and states what it arrives at in "
        "`<answer>…</answer>`."
    )
    yield _scores(summary, confidence)
    yield _data(provenance, names)
    yield _training(provenance, names)
    yield (
        "## Limits\n\nThe scores hold for these questions, prompts and token limits. Intervals are over questions: the "
        "spread between training seeds is not in them. What a model writes is checked by nobody; do not execute it."
    )
    yield terms(licence, _resting_on(provenance, names))


def _scores(summary: pl.DataFrame, confidence: float) -> str:
    if summary.is_empty():
        return "## Scores\n\nThese weights were not scored."
    rows = [
        (
            _benchmark(row),
            row["decoding"],
            row["questions"],
            row["answers"],
            _interval(row, "accuracy"),
            _interval(row, "no_answer"),
            f"{row['tokens']:.0f}",
        )
        for row in summary.iter_rows(named=True)
    ]
    header = ("benchmark", "decoding", "n", "answers", "accuracy %", "no answer %", "mean tokens")
    return (
        f"## Scores\n\nIn brackets: {100 * confidence:g}% intervals over questions. n: distinct questions.\n\n"
        f"{markdown_table(header, rows)}"
    )


def _data(provenance: Provenance, names: Mapping[str, str]) -> str:
    if not provenance.sets:
        return "## Training data\n\nNothing is recorded of what these weights were trained on."
    columns = ("training_table", "examples", "chains", "trees", "thoughts", "seeds")
    sets = markdown_table(columns, [[row[column] for column in columns] for row in provenance.sets])
    changed = [str(row["training_table"]) for row in provenance.sets if not row["unchanged_since"]]
    note = f"\n\nSince the training these tables have changed, and the counts are today's: {', '.join(changed)}."
    batches = markdown_table(
        ("batch", "from", "SHA-256 of the file", "seeds", "trees"),
        [[row[column] for column in ("batch", "source", "digest", "seeds", "trees")] for row in provenance.batches],
    )
    writers = markdown_table(
        ("role", "model", "digest", "thoughts"),
        [[row["role"], names.get(str(row["digest"])), row["digest"], row["thoughts"]] for row in provenance.writers],
    )
    return (
        f"## Training data\n\n{sets}{note if changed else ''}\n\nBatches of questions:\n\n{batches}\n\n"
        f"Who wrote the chains:\n\n{writers}"
    )


def _training(provenance: Provenance, names: Mapping[str, str]) -> str:
    if not provenance.stages:
        return ""
    parts = ["## Training"]
    for stage in provenance.stages:
        parts.append(
            f"`{stage.asset}`, artifact `{stage.artifact}`, digest `{stage.digest}`, Dagster run `{stage.run}`, "
            f"MLflow run `{stage.mlflow_run}`:"
        )
        parts.append(yaml_block(dict(stage.settings)) if stage.settings else "Its settings are not there any more.")
    parts.append(f"It began from {cell(_base(provenance, names))}.")
    return "\n\n".join(parts)


def _base(provenance: Provenance, names: Mapping[str, str]) -> str:
    if provenance.student is None:
        return "a base model that is not recorded any more"
    return f"{names.get(provenance.student, 'a base model')}, digest {provenance.student}"


def _resting_on(provenance: Provenance, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "base model", _base(provenance, names)
    for row in provenance.writers:
        yield f"{row['role']} of the chains", names.get(str(row["digest"]), str(row["digest"]))
    for row in provenance.batches:
        if row["batch"] != GENERATED:
            yield "questions", str(row["source"] or row["batch"])


def _result(row: Mapping[str, Any]) -> dict[str, object]:
    how = f"{row['decoding']}, n = {row['questions']}"
    benchmark = _benchmark(row)
    return {
        "task": {"type": "text-generation"},
        "dataset": {"name": benchmark, "type": "marco-dag-held-out" if benchmark == _HELD_OUT else benchmark},
        "metrics": [
            {
                "type": "accuracy",
                "value": round(100 * row["accuracy"], 2),
                "name": f"accuracy %, {how}, {100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f}",
            }
        ],
    }


def _benchmark(row: Mapping[str, Any]) -> str:
    return _HELD_OUT if row["benchmark"] == ALL_BENCHMARKS else str(row["benchmark"])


def _interval(row: Mapping[str, Any], measure: str) -> str:
    value, low, high = (100 * row[name] for name in (measure, f"{measure}_low", f"{measure}_high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
