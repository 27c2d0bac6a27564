"""Where everything lies below one folder, the storage root. Knows names and places; opens no file.

<root>/tables/<table>/<partition or all>.parquet
<root>/artifacts/<kind>/<id>/                      marco_dag.store
<root>/lineage/{events,promotions}/*.json, <root>/lineage.duckdb  marco_dag.lineage
<root>/mlflow/                                     runs: a sqlite store and its artifacts
<root>/reports/
<root>/logs/engines/                               what servers that a step started have said
<root>/seeds/                                      the inbox that users drop files into
<root>/seed_files/                                 snapshots of them, named by content
"""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from marco_dag.errors import StorageError
from marco_dag.identity import digest_json

HOME_VARIABLE = "MARCO_HOME"
"""Environment variable that names the storage root; without it, `data` below the current directory."""

WHOLE_TABLE = "all"
"""File stem of a table that has no partitions."""

_LONGEST_SEGMENT = 72  # two of them and an id still fit into a file name of 255 bytes


@dataclass(frozen=True, slots=True)
class Storage:
    """The places below one storage root. None of them is created here."""

    root: Path
    """The folder; made absolute, so that a later change of directory does not move it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(os.path.abspath(self.root)))  # noqa: PTH100  resolve() follows links

    @classmethod
    def from_environment(cls) -> "Storage":
        """The storage that `MARCO_HOME` names, else `data` below the current directory."""
        return cls(Path(os.environ.get(HOME_VARIABLE) or "data"))

    @property
    def tables(self) -> Path:
        """Parquet files, a folder a table."""
        return self.root / "tables"

    @property
    def artifacts(self) -> Path:
        """Content-addressed folders: models, checkpoints, finished searches."""
        return self.root / "artifacts"

    @property
    def lineage(self) -> Path:
        """What lineage keeps."""
        return self.root / "lineage"

    @property
    def events(self) -> Path:
        """One small JSON file a materialization."""
        return self.lineage / "events"

    @property
    def promotions(self) -> Path:
        """One small JSON file a decision about which checkpoint is in use."""
        return self.lineage / "promotions"

    @property
    def database(self) -> Path:
        """DuckDB views over the events and the tables."""
        return self.root / "lineage.duckdb"

    @property
    def mlflow(self) -> Path:
        """The embedded MLflow store."""
        return self.root / "mlflow"

    @property
    def reports(self) -> Path:
        """HTML reports and their pictures."""
        return self.root / "reports"

    @property
    def engine_logs(self) -> Path:
        """What servers that a step started have said, a file a server."""
        return self.root / "logs" / "engines"

    @property
    def seeds(self) -> Path:
        """The inbox: seeds files as users dropped them."""
        return self.root / "seeds"

    @property
    def seed_files(self) -> Path:
        """Snapshots of seeds files, named by content."""
        return self.root / "seed_files"

    def report_folder(self, profile: str) -> Path:
        """Where the report of a profile of that name lies; never outside the reports."""
        return self.reports / escape_segment(profile)

    def table_folder(self, table: str) -> Path:
        """The folder of a table's Parquet files."""
        return self.tables / escape_segment(table)

    def table_file(self, table: str, partition: str | None = None) -> Path:
        """The Parquet file of one partition, or of a table without partitions; never outside the table's folder."""
        return self.table_folder(table) / f"{partition_stem(partition)}.parquet"

    def manifest_file(self, asset: str, partition: str | None = None) -> Path:
        """The JSON file that says which models one partition of an asset, or an asset without partitions, made."""
        return self.root / "manifests" / escape_segment(asset) / f"{partition_stem(partition)}.json"

    def artifact_folder(self, location: str) -> Path:
        """The folder at `location`, relative to the root; StorageError where it is no artifact's, by `..` or a link."""
        folder = self.root / location
        if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(self.artifacts)):
            raise StorageError(f"{location!r} leads out of {self.artifacts}; nothing but artifacts is taken from there")
        return folder

    def relative(self, path: Path) -> str:
        """`path` relative to the root, with forward slashes; ValueError if it lies elsewhere."""
        return Path(os.path.abspath(path)).relative_to(self.root).as_posix()  # noqa: PTH100


def partition_stem(partition: str | None) -> str:
    """The file stem of a partition: one path segment; two partitions never share one, `all` is None's."""
    if partition is None:
        return WHOLE_TABLE
    return "%61ll" if partition == WHOLE_TABLE else escape_segment(partition)


def escape_segment(name: str) -> str:
    """`name` as one harmless path segment: letters, digits, `_`, `-`, inner dots; the rest percent-encoded.

    A long name is cut and ends in its digest. Different names give different segments.
    """
    escaped = quote(name, safe="").replace("~", "%7E")
    if escaped.startswith(".") or not escaped:
        escaped = f"%2E{escaped[1:]}" if escaped else "%"
    if len(escaped) > _LONGEST_SEGMENT:
        escaped = f"{escaped[:_LONGEST_SEGMENT]}~{digest_json(name)[:32]}"
    return escaped
