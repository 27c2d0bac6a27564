"""The I/O manager of the tables: assets hand over Polars frames and get them back, partitions and all.

A table is a folder of Parquet files, one a partition, with exactly the columns of `marco_dag.schemas`. It does not
record lineage (`resources.lineage`).
"""

import uuid
from typing import TYPE_CHECKING, ClassVar

import dagster as dg
import polars as pl

from marco_dag.schemas import TABLES, conform
from marco_dag.storage import WHOLE_TABLE, escape_segment, partition_stem
from resources.storage import StorageResource

if TYPE_CHECKING:
    from upath import UPath

_SAMPLE_ROWS = 3
_SAMPLE_CHARACTERS = 120


class ParquetTables(dg.ConfigurableIOManager, dg.UPathIOManager):
    """Stores each asset's frame, eager or lazy, in its table: its name, or what metadata says (`{"table": "trees"}`).

    Several partitions are read as one frame. Partitions that were never materialized are left out of a read over all
    partitions, and named in the log; with none at all it is an empty table. A single missing partition that the step's
    own partition stands on is an error.
    """

    home: dg.ResourceDependency[StorageResource]
    """Where the tables lie."""

    extension: ClassVar[str | None] = ".parquet"  # type: ignore[misc]  # a plain attribute would become a config field

    @property
    def _base_path(self) -> "UPath":  # type: ignore[override]  # Dagster's own pattern for configurable managers
        from upath import UPath

        return UPath(self.home.storage.tables)

    def get_asset_relative_path(self, context: dg.InputContext | dg.OutputContext) -> "UPath":
        """`<table>`, or `<table>/all` for an asset without partitions."""
        from upath import UPath

        folder = UPath(escape_segment(table_of(context)))
        return folder if context.has_asset_partitions else folder / WHOLE_TABLE

    def make_safe_partition_path(self, base_path: "UPath", partition: str) -> "UPath":
        """The partition's file below the table's folder, whatever the partition is called."""
        return base_path / partition_stem(partition)

    def dump_to_path(self, context: dg.OutputContext, obj: object, path: "UPath") -> None:
        """Write the frame, conformed to its table's schema; readers see the old file or the new one, never a part."""
        table = table_of(context)
        if not isinstance(obj, pl.DataFrame | pl.LazyFrame):
            raise TypeError(f"table {table}: an asset must return a polars frame, not {type(obj).__name__}")
        temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as file:
                if isinstance(obj, pl.DataFrame):
                    conform(obj, table).write_parquet(file)
                else:
                    conform(obj, table).sink_parquet(file, engine="streaming")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def load_from_path(self, context: dg.InputContext, path: "UPath") -> pl.DataFrame:
        """The frame of one file."""
        if not path.exists():
            name = context.asset_key.to_user_string()
            raise dg.Failure(f"{name} was not materialized yet ({path}); do that first")
        with path.open("rb") as file:
            return conform(pl.read_parquet(file), table_of(context))

    def load_partitions(self, context: dg.InputContext) -> pl.DataFrame:
        """The wanted partitions as one frame, in the order of the partitions."""
        paths = self._get_paths_for_partitions(context)
        own = context.partition_key if context.has_partition_key else None
        missing = [key for key, path in paths.items() if key != own and not path.exists()]
        if missing:
            name = context.asset_key.to_user_string()
            context.log.info(
                f"{name}: left out {len(missing)} of {len(paths)} partitions, not materialized yet: {missing}"
            )
        frames = [self.load_from_path(context, path) for key, path in paths.items() if key not in missing]
        return pl.concat(frames) if frames else TABLES[table_of(context)].to_frame()

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """What an asset gets for an upstream table: always one frame, also for no partitions at all."""
        frame = super().load_input(context)
        return frame if isinstance(frame, pl.DataFrame) else TABLES[table_of(context)].to_frame()

    def get_metadata(self, context: dg.OutputContext, obj: pl.DataFrame | pl.LazyFrame) -> dict[str, dg.MetadataValue]:
        """Row count, columns and a sample, for the web UI."""
        schema = TABLES[table_of(context)]
        columns = [dg.TableColumn(name, str(dtype)) for name, dtype in schema.items()]
        return {
            "dagster/row_count": dg.MetadataValue.int(height_of(obj)),
            "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
            "sample": dg.MetadataValue.md(_markdown(obj.lazy().head(_SAMPLE_ROWS).collect())),
        }


def table_of(context: dg.InputContext | dg.OutputContext) -> str:
    """The table of the asset that is written or read; ValueError names an asset whose table is not declared."""
    if isinstance(context, dg.InputContext):
        upstream = context.upstream_output
        metadata = upstream.definition_metadata if upstream else None
    else:
        metadata = context.definition_metadata
    table = str((metadata or {}).get("table", context.asset_key.path[-1]))
    if table not in TABLES:
        raise ValueError(
            f"{context.asset_key.to_user_string()}: {table!r} is no table; tables: {', '.join(TABLES)}. "
            'Name one in the asset\'s metadata, {"table": ...}.'
        )
    return table


def file_partition(partition: str) -> str:
    """A partition as its file is named after: one of several dimensions by their keys in the order of their names."""
    if isinstance(partition, dg.MultiPartitionKey):
        return "/".join(key for _, key in sorted(partition.keys_by_dimension.items()))
    return partition


def height_of(frame: pl.DataFrame | pl.LazyFrame) -> int:
    """The number of rows, without holding those of a lazy frame in memory."""
    if isinstance(frame, pl.DataFrame):
        return frame.height
    return int(frame.select(pl.len()).collect(engine="streaming").item())


def _markdown(frame: pl.DataFrame) -> str:
    """A Markdown table, one line a row, long texts cut."""
    if frame.is_empty():
        return "(no rows)"
    lines = [frame.columns, ["---"] * frame.width, *frame.iter_rows()]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    if len(text) > _SAMPLE_CHARACTERS:
        text = text[: _SAMPLE_CHARACTERS - 1] + "…"
    # Model output stands in these cells: nothing in it may end the cell or open markup.
    for plain, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("`", "&#96;"), ("\n", "⏎")):
        text = text.replace(plain, safe)
    return text
