"""What lineage knows of a checkpoint or of the tables: seeds, trees, models, runs and settings, as plain facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from marco_dag.identity import JsonValue
from marco_dag.lineage import LineageLog, Materialization, connect
from marco_dag.lineage.producers import CHECKPOINT_ASSETS, TRAINED_ASSETS
from marco_dag.manifests import read_manifest
from marco_dag.storage import Storage
from marco_dag.store import read_manifest as read_artifact

if TYPE_CHECKING:
    import duckdb

Rows = list[dict[str, JsonValue]]


@dataclass(frozen=True, slots=True)
class Stage:
    """One training behind a checkpoint."""

    asset: str
    """The asset that made it, with its partition."""
    artifact: str | None
    """The artifact of the store that it lies in."""
    digest: str
    """The digest of its weights."""
    run: str
    """The Dagster run."""
    mlflow_run: str | None
    """The MLflow run."""
    settings: Mapping[str, JsonValue] | None
    """All that decided the weights: inputs by digest, settings, seed; None where its folder is not there any more."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a checkpoint came from."""

    stages: tuple[Stage, ...]
    """Its trainings, the last one first; none where nothing of it was recorded."""
    sets: Rows
    """Each training table: examples, chains, trees, thoughts, seeds, and whether it is still what was trained on."""
    batches: Rows
    """Each batch behind it: seeds, trees, the seeds file or source and its digest."""
    writers: Rows
    """The models that wrote the thoughts: role, digest, thoughts."""

    @property
    def student(self) -> str | None:
        """The digest of the base student that it began from, where that is still known."""
        known = [stage.settings["student"] for stage in self.stages if stage.settings and "student" in stage.settings]
        return str(known[-1]) if known else None

    def to_json(self) -> dict[str, JsonValue]:
        """As JSON values."""
        stages: list[JsonValue] = [
            {
                "asset": stage.asset,
                "artifact": stage.artifact,
                "digest": stage.digest,
                "dagster_run": stage.run,
                "mlflow_run": stage.mlflow_run,
                "settings": dict(stage.settings) if stage.settings else None,
            }
            for stage in self.stages
        ]
        return {
            "stages": stages,
            "training_sets": [*self.sets],
            "batches": [*self.batches],
            "writers": [*self.writers],
        }


def provenance_of(storage: Storage, digest: str) -> Provenance:
    """What was recorded of the checkpoint with these weights; empty where nothing was."""
    events = LineageLog(storage).all()
    by_id = {event.artifact_id: event for event in events}
    made = [event for event in events if event.data_version == digest and event.asset_key in TRAINED_ASSETS]
    if not made:
        return Provenance((), [], [], [])
    chain = [made[-1]]
    sft = CHECKPOINT_ASSETS["sft"]
    chain += [by_id[source] for source in made[-1].inputs if source in by_id and by_id[source].asset_key == sft]
    with connect(storage) as connection:
        origins = "FROM training_origins WHERE checkpoint_artifact_id = $artifact"
        sets = rows_of(
            connection,
            "SELECT training_table, count(DISTINCT example_id) AS examples, count(DISTINCT chain_id) AS chains, "
            "count(DISTINCT tree_id) AS trees, count(DISTINCT node_id) AS thoughts, count(DISTINCT seed_id) AS seeds, "
            f"bool_and(current) AS unchanged_since {origins} GROUP BY ALL ORDER BY ALL",
            artifact=made[-1].artifact_id,
        )
        batches = rows_of(
            connection,
            "SELECT o.batch, any_value(b.source) AS source, any_value(b.digest) AS digest, "
            "count(DISTINCT o.seed_id) AS seeds, count(DISTINCT o.tree_id) AS trees "
            "FROM training_origins o LEFT JOIN seed_batches b ON b.batch = o.batch "
            "WHERE o.checkpoint_artifact_id = $artifact GROUP BY o.batch ORDER BY o.batch",
            artifact=made[-1].artifact_id,
        )
        writers = rows_of(
            connection,
            f"SELECT role, model_digest AS digest, count(DISTINCT node_id) AS thoughts {origins} "
            "AND role IS NOT NULL GROUP BY ALL ORDER BY ALL",
            artifact=made[-1].artifact_id,
        )
    return Provenance(tuple(_stage(storage, event) for event in chain), sets, batches, writers)


def model_names(storage: Storage) -> dict[str, str]:
    """Digest → what a base model is called: its name on the hub, its folder's own name, or the embedded one's role."""
    file = storage.manifest_file(CHECKPOINT_ASSETS["base"])
    if not file.is_file():
        return {}
    return {
        model.digest: f"the embedded {role}, trained from scratch" if model.stored else public_name(model.location)
        for role, model in read_manifest(file).items()
    }


def public_name(location: str) -> str:
    """A name on the hub as it is, a folder by its last part: where it lies on a machine is nobody's business."""
    return Path(location).name if Path(location).is_absolute() else location


def search_settings(storage: Storage, batches: Sequence[str]) -> dict[str, Mapping[str, JsonValue]]:
    """Batch → all that decided its trees, of the batches whose search is still in the store."""
    latest = LineageLog(storage).latest_of(("mcts_trees", batch) for batch in batches)
    found = {}
    for (_, batch), event in sorted(latest.items(), key=lambda item: str(item[0][1])):
        folder = storage.artifacts / "trees" / (event.stored or event.data_version)
        if folder.is_dir():
            found[str(batch)] = read_artifact(folder).key
    return found


def _stage(storage: Storage, event: Materialization) -> Stage:
    name = event.asset_key if event.partition is None else f"{event.asset_key}/{event.partition}"
    settings = None
    if event.stored is not None:
        folder = storage.artifacts / event.stored.rpartition("-")[0] / event.stored
        settings = read_artifact(folder).key if folder.is_dir() else None
    return Stage(name, event.stored, event.data_version, event.run_id, event.mlflow_run_id, settings)


def rows_of(connection: "duckdb.DuckDBPyConnection", sql: str, **values: JsonValue) -> Rows:
    """The rows that a question to the views gives, by column."""
    result = connection.execute(sql, values)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
