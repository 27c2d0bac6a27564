"""The profile's published sources: the content of each is taken in as a snapshot, which is a batch.

A batch is known by the source's name and by the content, like a file of the inbox. Does not read what is in it
(`marco_dag.seeds.reader`).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock

from marco_dag.errors import SeedFileError
from marco_dag.identity import digest_file, digest_json
from marco_dag.seeds.config import SeedsConfig, SourceConfig
from marco_dag.seeds.files import SEED_SUFFIXES
from marco_dag.seeds.hub import fetch_dataset
from marco_dag.seeds.inbox import SeedBatch
from marco_dag.seeds.snapshots import DIGEST_DIGITS, snapshot, write_whole

_SEPARATOR = "."
"""Between a source's name and its content's digest: no file of the inbox has it in its batch's key."""


def source_of(batch: str) -> str | None:
    """The name of the source that the batch of this key was taken from; None of every other batch."""
    return batch.rpartition(_SEPARATOR)[0] or None


def held_out_share_of(batch: str, config: SeedsConfig) -> float:
    """The share of prompts that a hash keeps from training in the batch of this key: its source's, or that of all."""
    source = config.sources.get(source_of(batch) or "")
    return config.held_out_share if source is None else source.held_out_share


class Sources:
    """The sources of a profile and the store of their snapshots; safe for several processes on one machine."""

    def __init__(self, sources: Mapping[str, SourceConfig], snapshots: Path) -> None:
        self.sources = sources
        self.snapshots = snapshots

    def take_in(self) -> list[SeedBatch]:
        """Every source's batch, in the profile's order, with a new snapshot of each whose content is new.

        A file or folder is looked at each time. A data set of the hub is fetched once, and again where its name,
        subset, split or revision change. SeedFileError names the source that cannot be had.
        """
        self.snapshots.mkdir(parents=True, exist_ok=True)
        with FileLock(self.snapshots / ".lock"):
            return [self._take_in(name, source) for name, source in self.sources.items()]

    def batches(self) -> list[SeedBatch]:
        """The batch of each source that was taken in, in the profile's order."""
        found = [self._known(name, source) for name, source in self.sources.items()]
        return [batch for batch in found if batch is not None]

    def copy_of(self, batch: SeedBatch) -> Path:
        """Where the snapshot of a batch lies."""
        return self.snapshots / f"{batch.digest}{batch.suffix}"

    def _take_in(self, name: str, source: SourceConfig) -> SeedBatch:
        try:
            if source.path is not None:
                batch = self._copy(name, Path(source.path).expanduser())
            elif (known := self._known(name, source)) is not None and not Path(str(source.dataset)).is_dir():
                return known
            else:
                batch = self._fetch(name, source)
        except SeedFileError as error:
            raise SeedFileError(f"seeds.sources.{name}: {error}") from error
        except OSError as error:
            reason = f"{error.strerror or error}; check that the file exists and can be read"
            raise SeedFileError(f"seeds.sources.{name}: {source.path or source.dataset}: {reason}") from error
        write_whole(self._manifest(name, source), json.dumps(asdict(batch), indent=2))
        return batch

    def _copy(self, name: str, path: Path) -> SeedBatch:
        suffix = path.suffix.lower()
        if suffix not in SEED_SUFFIXES:
            raise SeedFileError(f"{path}: unknown kind of file {suffix!r}; known: {', '.join(SEED_SUFFIXES)}")
        batch = _batch(name, path.name, digest_file(path), suffix, path.stat().st_size)
        copy = self.copy_of(batch)
        if not copy.exists() and not snapshot(path, copy, batch.digest):
            raise SeedFileError(f"{path}: changed while it was read; try again when it is finished")
        return batch

    def _fetch(self, name: str, source: SourceConfig) -> SeedBatch:
        fetched = self.snapshots / f"{name}.parquet.partial"
        fetch_dataset(source, fetched)
        batch = _batch(name, str(source.dataset), digest_file(fetched), ".parquet", fetched.stat().st_size)
        fetched.replace(self.copy_of(batch))
        return batch

    def _known(self, name: str, source: SourceConfig) -> SeedBatch | None:
        manifest = self._manifest(name, source)
        return SeedBatch(**json.loads(manifest.read_text())) if manifest.is_file() else None

    def _manifest(self, name: str, source: SourceConfig) -> Path:
        place = source.model_dump(mode="json", include={"path", "dataset", "subset", "split", "revision"})
        return self.snapshots / f"{name}-{digest_json(place)[:16]}.json"


def _batch(name: str, file: str, digest: str, suffix: str, size: int) -> SeedBatch:
    return SeedBatch(f"{name}{_SEPARATOR}{digest[:DIGEST_DIGITS]}", file, digest, suffix, size)
