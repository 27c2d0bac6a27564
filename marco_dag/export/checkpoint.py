"""A checkpoint as a Hugging Face folder with its card: whole, with the very weights that were scored."""

from pathlib import Path

import polars as pl
import yaml

from marco_dag.engines import checkpoint_digest
from marco_dag.engines.loading import WEIGHTS
from marco_dag.errors import ExportError
from marco_dag.evaluation import SCORES_FILE, SUMMARY, summarize
from marco_dag.export.cards import Licence, write_card
from marco_dag.export.folders import copy_files, new_folder
from marco_dag.export.model_card import model_fields, model_parts
from marco_dag.export.provenance import model_names, provenance_of
from marco_dag.lineage import connect
from marco_dag.redaction import redact_text
from marco_dag.registry.checkpoints import Checkpoint
from marco_dag.storage import Storage
from marco_dag.store import held

PROVENANCE = "provenance.yaml"
"""What the card says of the data and the trainings, for programs; no JSON file, which would be part of the digest."""

_FILES = (WEIGHTS, "*.json", "*.jinja", "*.txt", "tokenizer.model")
"""Weights as safetensors, configuration, tokenizer, chat template; nothing else is handed out."""


def export_checkpoint(
    storage: Storage, checkpoint: Checkpoint, target: Path, licence: Licence, *, name: str, confidence: float
) -> None:
    """Write `checkpoint` to the folder `target` as `name`, with its card.

    `confidence`, in (0, 1), is the coverage of the intervals. ExportError where it is none of ours, has no safetensors,
    was changed since it was made, or `target` cannot be used.
    """
    if checkpoint.artifact is None:
        raise ExportError(
            f"{checkpoint.name}: lies outside the store ({checkpoint.path}), so nothing is known of how it was made; "
            "export a checkpoint that was trained here"
        )
    source = Path(checkpoint.path)
    if not any(source.glob(WEIGHTS)):
        raise ExportError(f"{source}: holds no {WEIGHTS} file, and no other weights are handed out")
    provenance, names = provenance_of(storage, checkpoint.digest), model_names(storage)
    scores = _scores(storage, checkpoint)
    summary = summarize(scores, confidence) if scores.height else SUMMARY.to_frame()
    with held(source), new_folder(target, storage) as folder:
        copy_files(source, folder, _FILES)
        if checkpoint_digest(folder) != checkpoint.digest:
            raise ExportError(
                f"{source}: is not what was trained and scored (digest {checkpoint.digest}); train it again"
            )
        facts = {
            "checkpoint": checkpoint.name,
            "digest": checkpoint.digest,
            "version": str(checkpoint.version) if checkpoint.version else None,
            **provenance.to_json(),
        }
        text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)
        (folder / PROVENANCE).write_text(redact_text(text), encoding="utf-8")
        base = names.get(provenance.student or "")
        write_card(
            folder,
            model_fields(name, base if base is not None and "/" in base else None, licence, summary),
            model_parts(name, checkpoint.digest, provenance, names, summary, licence, confidence=confidence),
        )


def _scores(storage: Storage, checkpoint: Checkpoint) -> pl.DataFrame:
    """The scores of these very weights: those that its version was judged by, else those in the table."""
    if checkpoint.version is not None:
        file = storage.artifacts / "scores" / checkpoint.version.registration.scores / SCORES_FILE
        if file.is_file():
            return pl.read_parquet(file)
    with connect(storage) as connection:
        of_these = "SELECT * FROM scores WHERE checkpoint_digest = $digest"
        found: pl.DataFrame = connection.sql(of_these, params={"digest": checkpoint.digest}).pl()
    return found
