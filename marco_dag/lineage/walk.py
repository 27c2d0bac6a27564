"""The walk back: from an artifact, a training example or a score to the seeds, the thoughts and the models behind it.

Reads events and tables; changes nothing. What has thousands of origins is summed up with a few examples.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from marco_dag.errors import LineageError
from marco_dag.identity import JsonValue
from marco_dag.lineage.events import LineageLog, Materialization, latest_events
from marco_dag.lineage.origin import Origin
from marco_dag.lineage.producers import PRODUCERS, TRAINED_ASSETS
from marco_dag.lineage.resolve import resolve
from marco_dag.lineage.views import connect
from marco_dag.storage import Storage

if TYPE_CHECKING:
    import duckdb

ACCEPTED = (
    "an artifact id; an asset key, or asset/partition; a data version; the path of a table file, a checkpoint folder "
    "or a report; a seed_id, tree_id, node_id, chain_id, pair_id or question_id; a score as checkpoint/question_id"
)
"""What `trace` takes."""

_EXAMPLES = 3
_LONGEST_TEXT = 200


def trace(storage: Storage, what: str) -> Origin:
    """Where `what` (see ACCEPTED) came from, down to the seeds; of an asset, its newest version.

    LineageError, saying what is accepted, where nothing of that name was recorded.
    """
    events = LineageLog(storage).all()
    with connect(storage) as connection:
        walk = _Walk(connection, events)
        if origin := walk.row(what) or walk.score(what):
            return origin
        found = resolve(what, events, storage)
        if len(found) == 1:
            return walk.artifact(found[0])
        if found:
            return Origin("asset", what, {"partitions": len(found)}, walk.artifacts(found))
    if not events:
        raise LineageError(f"nothing is recorded below {storage.root}; is that the storage root you mean (MARCO_HOME)?")
    assets = ", ".join(sorted({event.asset_key for event in events}))
    raise LineageError(f"{what!r} has no recorded origin. Give {ACCEPTED}. Assets recorded here: {assets}.")


class _Walk:
    """One walk: each thing is told once, and only named when met again."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", events: Sequence[Materialization]) -> None:
        self._connection = connection
        self._events = {event.artifact_id: event for event in events}
        self._latest = {(event.asset_key, event.partition): event for event in latest_events(events)}
        self._told: set[str] = set()

    # --- artifacts

    def artifacts(self, events: Sequence[Materialization]) -> tuple[Origin, ...]:
        """The origins of many artifacts, by asset; of an asset with many partitions the first few."""
        origins: list[Origin] = []
        in_order = sorted(events, key=lambda event: (event.asset_key, event.partition or ""))
        for asset, group in groupby(in_order, key=lambda event: event.asset_key):
            partitions = list(group)
            origins += [self.artifact(event) for event in partitions[:_EXAMPLES]]
            if rest := partitions[_EXAMPLES:]:
                facts: dict[str, JsonValue] = {"rows": sum(event.rows or 0 for event in rest)}
                origins.append(Origin("artifacts", f"{len(rest)} more partitions of {asset}", facts))
        return tuple(origins)

    def artifact(self, event: Materialization) -> Origin:
        """A materialization, what is in it, and what it was made from."""
        latest = self._latest[event.asset_key, event.partition]
        current = latest.data_version == event.data_version
        facts = {
            "asset": event.asset_key,
            "partition": event.partition,
            "created": event.created_at.isoformat(timespec="seconds"),
            "rows": event.rows,
            "path": event.path,
            "data version": event.data_version,
            "stored as": event.stored,
            "code version": event.code_version,
            "run": event.run_id,
            "mlflow run": event.mlflow_run_id,
            "reused": event.reused or None,
            "superseded by": None if current else latest.artifact_id,
        }

        def made_from() -> Iterator[Origin]:
            if current:
                yield from self._content(event)
            if event.asset_key in TRAINED_ASSETS:
                yield from self._training(event)
            yield from self.artifacts([self._events[i] for i in event.inputs if i in self._events])

        return self._once("artifact", event.artifact_id, facts, made_from)

    def _content(self, event: Materialization) -> Iterator[Origin]:
        """What is in the table that the artifact fills: its seeds, or the models that wrote its thoughts."""
        if event.asset_key == PRODUCERS["seed_prompts"]:
            seeds = self._rows(
                "SELECT seed_id, source, count(*) OVER () AS total FROM seed_prompts "
                "WHERE $partition IS NULL OR batch = $partition ORDER BY seed_id LIMIT $limit",
                partition=event.partition,
                limit=_EXAMPLES,
            )
            if seeds:
                examples = [origin for seed in seeds if (origin := self._seed(str(seed["seed_id"])))]
                yield Origin("seeds", f"{seeds[0]['total']} seeds", self._source(event.partition), tuple(examples))
        elif event.asset_key == PRODUCERS["thoughts"]:
            models = self._models(
                "FROM thoughts JOIN trees USING (tree_id) WHERE $partition IS NULL OR batch = $partition",
                partition=event.partition,
            )
            yield Origin("models", "that wrote the thoughts", models)

    def _training(self, event: Materialization) -> Iterator[Origin]:
        """What a checkpoint was trained on, in numbers."""
        origins = "FROM training_origins WHERE checkpoint_artifact_id = $artifact"
        counts = self._rows(
            "SELECT training_table, count(DISTINCT example_id) AS examples, count(DISTINCT chain_id) AS chains, "
            "count(DISTINCT tree_id) AS trees, count(DISTINCT node_id) AS thoughts, count(DISTINCT seed_id) AS seeds, "
            "list(DISTINCT seed_source ORDER BY seed_source) AS seed_sources, "
            f"list(DISTINCT seed_id ORDER BY seed_id)[:{_EXAMPLES}] AS first_seeds, bool_and(current) AS current "
            f"{origins} GROUP BY training_table ORDER BY training_table",
            artifact=event.artifact_id,
        )
        for row in counts:
            table = str(row.pop("training_table"))
            superseded = None if row.pop("current") else "the tables have changed since"
            written = self._models(f"{origins} AND training_table = $table", artifact=event.artifact_id, table=table)
            facts = {**row, **written, "note": superseded}
            yield Origin("training set", table, _known(facts))

    # --- rows of the tables

    def row(self, row_id: str) -> Origin | None:
        """The row of that id in any table, or None."""
        return (
            self._seed(row_id)
            or self._tree(row_id)
            or self._thought(row_id)
            or self._chain(row_id)
            or self._pair(row_id)
            or self._published(row_id)
        )

    def score(self, name: str) -> Origin | None:
        """The answers of a checkpoint to a question, given as `checkpoint/question_id`, or None."""
        checkpoint, _, question = name.rpartition("/")
        answers = self._rows(
            "SELECT benchmark, decoding, sample, turn, correct, answered, verdict FROM scores "
            "WHERE checkpoint = $checkpoint AND question_id = $question ORDER BY benchmark, decoding, sample, turn",
            checkpoint=checkpoint,
            question=question,
        )
        if not answers:
            return None
        made_by = self._rows(
            "SELECT artifact_id, checkpoint_digest FROM checkpoint_artifacts WHERE checkpoint = $checkpoint",
            checkpoint=checkpoint,
        )
        facts: dict[str, JsonValue] = {
            "checkpoint": checkpoint,
            "checkpoint digest": made_by[0]["checkpoint_digest"] if made_by else None,
            "answers": [_known(answer) for answer in answers],
            "scored by": self._holder_id("scores", checkpoint),
        }

        def made_from() -> Iterator[Origin]:
            yield from _told(self._seed(question) or self._published(question))
            for row in made_by:
                yield self.artifact(self._events[str(row["artifact_id"])])

        return self._once("score", name, facts, made_from)

    def _seed(self, seed_id: str) -> Origin | None:
        for table in ("seed_prompts", "held_out_questions"):
            if row := self._one(f"SELECT * EXCLUDE (seed_id) FROM {table} WHERE seed_id = $id", id=seed_id):
                facts = {**row, **self._source(str(row["batch"]))}
                return self._once("seed", seed_id, facts, lambda: self._holder(table, row["batch"]))  # noqa: B023
        return None

    def _published(self, question_id: str) -> Origin | None:
        """A question of a published benchmark."""
        asked = "SELECT * EXCLUDE (question_id) FROM benchmark_questions WHERE question_id = $id"
        row = self._one(asked, id=question_id)
        if row is None:
            return None
        return self._once("question", question_id, row, lambda: self._holder("benchmark_questions", None))

    def _tree(self, tree_id: str) -> Origin | None:
        row = self._one("SELECT * EXCLUDE (tree_id) FROM trees WHERE tree_id = $id", id=tree_id)
        if row is None:
            return None
        written = self._models("FROM thoughts WHERE tree_id = $id", id=tree_id)

        def made_from() -> Iterator[Origin]:
            yield from _told(self._seed(str(row["seed_id"])))
            yield from self._holder("trees", row["batch"])

        return self._once("tree", tree_id, {**row, **written}, made_from)

    def _thought(self, node_id: str) -> Origin | None:
        row = self._one("SELECT * EXCLUDE (node_id) FROM thoughts WHERE node_id = $id", id=node_id)
        if row is None:
            return None
        path = self._rows(
            "WITH RECURSIVE path AS (SELECT * FROM thoughts WHERE node_id = $id UNION ALL SELECT t.* FROM thoughts t "
            "JOIN path p ON t.tree_id = p.tree_id AND t.node_id = p.parent_id) "
            "SELECT node_id, kind, role, model_digest FROM path WHERE node_id <> $id ORDER BY depth",
            id=node_id,
        )

        def made_from() -> Iterator[Origin]:
            yield from map(_thought_on_path, path)
            yield from _told(self._tree(str(row["tree_id"])))

        return self._once("thought", node_id, row, made_from)

    def _chain(self, chain_id: str) -> Origin | None:
        row = self._one("SELECT * EXCLUDE (chain_id) FROM chains WHERE chain_id = $id LIMIT 1", id=chain_id)
        if row is None:
            return None
        path = self._rows(
            "SELECT node_id, kind, role, model_digest FROM chain_thoughts WHERE chain_id = $id AND tree_id = $tree "
            "ORDER BY position",
            id=chain_id,
            tree=row["tree_id"],
        )

        def made_from() -> Iterator[Origin]:
            yield from map(_thought_on_path, path)
            yield from _told(self._tree(str(row["tree_id"])))
            yield from self._holder("chains", row["batch"])

        return self._once("chain", chain_id, row, made_from)

    def _pair(self, pair_id: str) -> Origin | None:
        row = self._one("SELECT * EXCLUDE (pair_id) FROM preference_pairs WHERE pair_id = $id LIMIT 1", id=pair_id)
        if row is None:
            return None

        def made_from() -> Iterator[Origin]:
            yield from _told(self._chain(str(row["chosen_chain_id"])))
            yield from _told(self._chain(str(row["rejected_chain_id"])))
            yield from self._holder("preference_pairs", row["batch"])

        return self._once("pair", pair_id, row, made_from)

    # --- what they share

    def _once(
        self, kind: str, name: str, facts: Mapping[str, JsonValue], made_from: Callable[[], Iterator[Origin]]
    ) -> Origin:
        if name in self._told:
            return Origin(kind, name, {"told": "above"})
        self._told.add(name)
        return Origin(kind, name, _known(facts), tuple(made_from()))

    def _holder(self, table: str, partition: JsonValue) -> Iterator[Origin]:
        """The artifact that filled a table's partition."""
        if event := self._latest_of(table, partition):
            yield self.artifact(event)

    def _holder_id(self, table: str, partition: JsonValue) -> str | None:
        event = self._latest_of(table, partition)
        return event.artifact_id if event else None

    def _latest_of(self, table: str, partition: JsonValue) -> Materialization | None:
        asset = PRODUCERS[table]
        return self._latest.get((asset, str(partition))) or self._latest.get((asset, None))

    def _source(self, batch: str | None) -> dict[str, JsonValue]:
        """The seeds file that a batch was read from; nothing for generated questions."""
        found = self._one(
            'SELECT source AS "seeds file", digest AS "seeds file digest" FROM seed_batches '
            "WHERE batch = $batch AND digest IS NOT NULL LIMIT 1",
            batch=batch,
        )
        return found or {}

    def _models(self, thoughts: str, **values: JsonValue) -> dict[str, JsonValue]:
        """The models behind some thoughts, by role: digest and number of thoughts."""
        rows = self._rows(
            f"SELECT role, model_digest, count(DISTINCT node_id) AS thoughts {thoughts} "
            "GROUP BY role, model_digest ORDER BY role, model_digest",
            **values,
        )
        return {f"{row['role']} {row['model_digest']}": f"{row['thoughts']} thoughts" for row in rows if row["role"]}

    def _rows(self, sql: str, **values: JsonValue) -> list[dict[str, JsonValue]]:
        result = self._connection.execute(sql, values)
        names = [column[0] for column in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def _one(self, sql: str, **values: JsonValue) -> dict[str, JsonValue] | None:
        rows = self._rows(sql, **values)
        return rows[0] if rows else None


def _thought_on_path(row: Mapping[str, JsonValue]) -> Origin:
    return Origin("thought", str(row["node_id"]), {name: row[name] for name in ("kind", "role", "model_digest")})


def _told(origin: Origin | None) -> tuple[Origin, ...]:
    return (origin,) if origin else ()


def _known(facts: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """What is told of the facts: nulls are left out, long texts cut."""
    return {name: _short(value) for name, value in facts.items() if value is not None}


def _short(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return value[: _LONGEST_TEXT - 1] + "…"
    return value
