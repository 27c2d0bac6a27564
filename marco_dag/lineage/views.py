"""DuckDB views over the lineage events and over every table: what has been made, from what, and what is in it.

The views read the event files and the Parquet files themselves, so they are current the moment a file is renamed into
place; only a change of the storage root or of the views asks for a new database. A process that holds a DuckDB file
open for writing shuts out every other, readers too, so the database is never written in place: `refresh_database`
makes a new file and renames it over the old one.
"""

import uuid
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from marco_dag.identity import digest_json
from marco_dag.lineage.producers import CHECKPOINT_ASSETS, PRODUCERS, RECIPE_ASSET
from marco_dag.schemas import ARTIFACTS, PROMOTIONS, TABLES
from marco_dag.storage import Storage

if TYPE_CHECKING:
    import duckdb

# duckdb is imported within functions: Dagster and pydantic keep the classes of resources alive beyond the end of the
# interpreter, and with them what their modules name; DuckDB's bindings print pages of complaints about that.

_SQL_TYPES: dict[pl.DataType, str] = {
    pl.String(): "VARCHAR",
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
    pl.Boolean(): "BOOLEAN",
    pl.Datetime("us", "UTC"): "TIMESTAMPTZ",
}

_OFFLINE: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": "false"}
"""Connection settings: everything the views need comes with DuckDB; nothing is fetched."""


def connect(storage: Storage) -> "duckdb.DuckDBPyConnection":
    """An in-memory connection that has all the views; close it when done."""
    import duckdb

    _write_schema_files(storage)
    connection = duckdb.connect(config=_OFFLINE)
    _execute_all(connection, _definition(storage))
    return connection


def open_database(storage: Storage) -> "duckdb.DuckDBPyConnection":
    """A read-only connection to `<root>/lineage.duckdb`, made current first; close it when done."""
    import duckdb

    ensure_database(storage)
    return duckdb.connect(storage.database, read_only=True, config=_OFFLINE)


def ensure_database(storage: Storage) -> Path:
    """`<root>/lineage.duckdb`, written anew only if it is missing, unreadable, of another root or of older views."""
    return storage.database if _is_current(storage) else refresh_database(storage)


def refresh_database(storage: Storage) -> Path:
    """Write `<root>/lineage.duckdb` anew and rename it over the old one; returns its path.

    Safe at any time: who has the old file open keeps reading it, and two refreshes at once both succeed.
    """
    import duckdb

    _write_schema_files(storage)
    definition = _definition(storage)
    temporary = storage.lineage / f"{uuid.uuid4().hex}.duckdb.tmp"
    try:
        with duckdb.connect(temporary, config=_OFFLINE) as connection:
            _execute_all(connection, definition)
            connection.execute("CREATE TABLE views_digest AS SELECT ? AS digest", [digest_json(definition)])
        temporary.replace(storage.database)
    finally:
        temporary.unlink(missing_ok=True)
    return storage.database


def _is_current(storage: Storage) -> bool:
    import duckdb

    if not storage.database.exists():
        return False
    try:
        with duckdb.connect(storage.database, read_only=True, config=_OFFLINE) as connection:
            found = connection.execute("SELECT digest FROM views_digest").fetchone()
    except duckdb.Error:  # no database, or somebody writes to it in place: ours takes its place
        return False
    return found == (digest_json(_definition(storage)),)


def _definition(storage: Storage) -> list[str]:
    """The SQL of all the views; depends on the storage root and on the code alone."""
    derived = (files("marco_dag.lineage") / "views.sql").read_text(encoding="utf-8")
    return [*_base_views(storage), *_asset_graph_views(), derived]


def _execute_all(connection: "duckdb.DuckDBPyConnection", statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _base_views(storage: Storage) -> Iterator[str]:
    for view, folder, schema, more in (
        ("lineage_events", storage.events, ARTIFACTS, ", inputs: 'VARCHAR[]'"),
        ("promotions", storage.promotions, PROMOTIONS, ""),
    ):
        columns = ", ".join(f"{name}: '{_SQL_TYPES[dtype]}'" for name, dtype in schema.items())
        sources = _sources(_empty_event(storage), folder / "*.json", storage)
        yield (
            f"CREATE VIEW {view} AS SELECT * FROM read_json("
            f"{sources}, format = 'newline_delimited', columns = {{{columns}{more}}}, allow_empty = true)"
        )
    for table, schema in TABLES.items():
        # The casts pin the types: a view whose file types changed under it refuses to be read.
        selected = ", ".join(f'CAST("{name}" AS {_SQL_TYPES[dtype]}) AS "{name}"' for name, dtype in schema.items())
        sources = _sources(_empty_table(storage, table), storage.table_folder(table) / "*.parquet", storage)
        yield (
            f'CREATE VIEW "{table}" AS SELECT {selected} FROM read_parquet('
            f"{sources}, union_by_name = true, hive_partitioning = false, allow_empty = true)"
        )


def _asset_graph_views() -> Iterator[str]:
    """What the views know of the asset graph, as views: a table's producer, a checkpoint's asset."""
    yield f"CREATE VIEW table_producers (table_name, asset_key) AS {_values(sorted(PRODUCERS.items()))}"
    yield f"CREATE VIEW checkpoint_assets (checkpoint, asset_key) AS {_values(sorted(CHECKPOINT_ASSETS.items()))}"
    yield f"CREATE VIEW recipe_asset (asset_key) AS {_values([(RECIPE_ASSET,)])}"


def _values(rows: Sequence[tuple[str, ...]]) -> str:
    return "VALUES " + ", ".join("(" + ", ".join(map(_quote, row)) + ")" for row in rows)


def _sources(empty: Path, pattern: Path, storage: Storage) -> str:
    """An SQL list of an empty file, which gives names and types, and a pattern that may match nothing."""
    root = _escape_glob(str(storage.root))
    return (
        "["
        + ", ".join(_quote(f"{root}/{path.relative_to(storage.root).as_posix()}") for path in (empty, pattern))
        + "]"
    )


def _write_schema_files(storage: Storage) -> None:
    _empty_event(storage).parent.mkdir(parents=True, exist_ok=True)
    _empty_event(storage).touch()
    for table, schema in TABLES.items():
        file = _empty_table(storage, table)
        if not file.exists() or pl.read_parquet_schema(file) != schema:
            temporary = file.with_suffix(f".{uuid.uuid4().hex}.tmp")
            schema.to_frame().write_parquet(temporary)
            temporary.replace(file)


def _empty_event(storage: Storage) -> Path:
    return storage.lineage / "schemas" / "events.json"


def _empty_table(storage: Storage, table: str) -> Path:
    return storage.lineage / "schemas" / f"{table}.parquet"


def _escape_glob(path: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
