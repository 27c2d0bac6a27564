"""The training sets, and what they were made from, as a data set of Parquet files with its card."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from marco_dag.errors import ExportError
from marco_dag.export.cards import Licence, write_card
from marco_dag.export.data_card import WHAT, Facts, data_fields, data_parts
from marco_dag.export.folders import new_folder
from marco_dag.export.provenance import Rows, model_names, rows_of, search_settings
from marco_dag.lineage import connect
from marco_dag.lineage.producers import PRODUCERS
from marco_dag.schemas import conform
from marco_dag.seeds import SeedsConfig
from marco_dag.storage import Storage

if TYPE_CHECKING:
    import duckdb

DEFAULT_TABLES = ("cot_set", "preference_pairs")
"""What is handed out where nothing else is asked for."""


def export_data(
    storage: Storage, target: Path, licence: Licence, *, name: str, tables: Sequence[str], seeds: SeedsConfig
) -> dict[str, int]:
    """Write `tables` to the folder `target`, a Parquet file a batch, with a card; table → rows.

    `seeds` says what the profile keeps out. Rows are streamed, whatever their number. ExportError where a table cannot
    be handed out or has no rows, or `target` cannot be used.
    """
    if unknown := [table for table in tables if table not in WHAT]:
        raise ExportError(f"{', '.join(unknown)}: cannot be handed out; tables that can: {', '.join(WHAT)}")
    with new_folder(target, storage) as folder:
        rows = {table: _copy(storage, table, folder / "data" / table) for table in dict.fromkeys(tables)}
        if empty := [table for table, count in rows.items() if not count]:
            raise ExportError(
                f"{', '.join(empty)}: no rows below {storage.root}; materialize {PRODUCERS[empty[0]]} first"
            )
        facts = _facts(storage, rows, seeds)
        write_card(folder, data_fields(facts, licence), data_parts(name, facts, licence))
    return rows


def _copy(storage: Storage, table: str, folder: Path) -> int:
    """Copy a table's partitions, one after another; the number of rows."""
    folder.mkdir(parents=True)
    total = 0
    for file in sorted(storage.table_folder(table).glob("*.parquet")):
        rows = int(pl.scan_parquet(file).select(pl.len()).collect().item())
        if rows:
            conform(pl.scan_parquet(file), table).sink_parquet(folder / file.name)
        total += rows
    return total


def _facts(storage: Storage, rows: dict[str, int], seeds: SeedsConfig) -> Facts:
    with connect(storage) as connection:
        batches = rows_of(connection, _BATCHES)
        return Facts(
            rows=rows,
            batches=batches,
            versions=_versions(connection, [PRODUCERS[table] for table in rows]),
            writers=rows_of(connection, _WRITERS),
            names=model_names(storage),
            searches=search_settings(storage, [str(row["batch"]) for row in batches]),
            overlaps=rows_of(connection, _OVERLAPS),
            decontamination=seeds.decontamination,
            held_out_share=seeds.held_out_share,
        )


def _versions(connection: "duckdb.DuckDBPyConnection", assets: Sequence[str]) -> Rows:
    return rows_of(
        connection,
        "SELECT asset_key AS asset, partition AS batch, rows, data_version AS version, code_version AS code, "
        "run_id AS run FROM latest_artifacts WHERE list_contains($assets, asset_key) ORDER BY ALL",
        assets=list(assets),
    )


_BATCHES = """
SELECT p.batch, any_value(b.source) AS source, any_value(b.digest) AS digest, count(DISTINCT p.seed_id) AS seeds,
    (SELECT count(*) FROM seed_quarantine q WHERE q.batch = p.batch) AS quarantined,
    (SELECT count(DISTINCT seed_id) FROM seed_overlaps o WHERE o.batch = p.batch) AS dropped
FROM seed_prompts p LEFT JOIN seed_batches b ON b.batch = p.batch GROUP BY p.batch ORDER BY p.batch
"""

_WRITERS = """
SELECT role, model_digest AS digest, count(DISTINCT node_id) AS thoughts FROM thoughts
WHERE role IS NOT NULL GROUP BY ALL ORDER BY ALL
"""

_OVERLAPS = """
SELECT benchmark, match, count(DISTINCT seed_id) AS seeds FROM seed_overlaps GROUP BY ALL ORDER BY ALL
"""
