"""A data set of the Hugging Face hub, or of a folder laid out like one, as one Parquet file.

Runs no code that comes with a data set.
"""

from pathlib import Path

from marco_dag.errors import SeedFileError
from marco_dag.seeds.config import SourceConfig


def fetch_dataset(source: SourceConfig, target: Path) -> None:
    """Write the rows of `source.dataset` to the Parquet file `target`; the library `datasets` keeps what it downloads.

    SeedFileError names the data set, why it cannot be had, and what to do without a network.
    """
    import datasets

    what = " ".join(filter(None, (source.dataset, source.subset, source.revision)))
    try:
        rows = datasets.load_dataset(source.dataset, source.subset, split=source.split, revision=source.revision)
        rows.to_parquet(target)
    except Exception as error:  # the library raises whatever its parts do: of the network, of files, of formats
        target.unlink(missing_ok=True)
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        raise SeedFileError(
            f"data set {what}, split {source.split}: cannot be had: {reason}. Where the hub cannot be reached, fetch "
            "it on another machine, copy its folder or a JSONL or Parquet file of it here, and name that as dataset or "
            "as path"
        ) from error
