"""Every batch of seeds that a profile has: generated, its sources, the files of the inbox.

They stand in an order in which a question that several hold belongs to the first: generated questions, then the sources
as the profile lists them, then files in the order they were taken in.
"""

from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

import polars as pl

from marco_dag.errors import SeedFileError
from marco_dag.schemas import SEED_BATCHES, TABLES
from marco_dag.seeds.config import SeedsConfig
from marco_dag.seeds.decontamination import Decontamination
from marco_dag.seeds.generated import GENERATED, generated_seeds
from marco_dag.seeds.inbox import Inbox, SeedBatch
from marco_dag.seeds.reader import SeedFile, SeedKey, keys_of, keys_within, read_seed_file
from marco_dag.seeds.screening import ScreenedSeeds, screen
from marco_dag.seeds.sources import Sources, source_of
from marco_dag.storage import Storage


class SeedBatches:
    """The batches of one profile over one storage root."""

    def __init__(self, config: SeedsConfig, storage: Storage, *, seed: int) -> None:
        self.inbox = Inbox(storage.seeds, storage.seed_files)
        self.sources = Sources(config.sources, storage.seed_files / "sources")
        self._config = config
        self._seed = seed

    def table(self) -> pl.DataFrame:
        """Every batch that was taken in, in order (`schemas.SEED_BATCHES`)."""
        files = [(b.batch, source_of(b.batch) or b.file, b.digest, b.bytes) for b in self._files()]
        return pl.DataFrame([(GENERATED, GENERATED, None, None), *files], schema=SEED_BATCHES, orient="row")

    def read(self, batch: str) -> SeedFile:
        """The questions of one batch, and what was wrong with the rest; SeedFileError where there is no such batch."""
        if batch == GENERATED:
            seeds = generated_seeds(self._config, seed=self._seed, batch=batch)
            return SeedFile(GENERATED, seeds, TABLES["seed_quarantine"].to_frame(), [None] * seeds.height)
        for known in self._files():
            if known.batch == batch:
                path, source = self._copy_of(known), source_of(batch)
                return read_seed_file(path, batch=batch, config=self._config, name=known.file, source=source)
        if source := source_of(batch):
            raise SeedFileError(
                f"batch {batch!r} is not what seeds.sources.{source} of the profile holds; materialize seed_batches to "
                "take in what it does hold"
            )
        raise SeedFileError(
            f"no seeds file was taken in as batch {batch!r}; drop the file into {self.inbox.folder} again"
        )

    def screened(self, batch: str, questions: pl.DataFrame) -> ScreenedSeeds:
        """One batch as it is searched; `questions` (QUESTION_TEXTS) are those of every benchmark in use."""
        read = self.read(batch)
        keepers = self.keepers(batch, keys_of(read.prompts))
        return screen(read, keepers, Decontamination(questions, self._config.decontamination))

    def keepers(self, batch: str, keys: Iterable[SeedKey]) -> dict[SeedKey, str]:
        """Of the seeds `keys`, those that an earlier batch than `batch` holds as good rows, each with that batch."""
        if batch == GENERATED:
            return {}
        wanted = set(keys)
        generated = keys_of(generated_seeds(self._config, seed=self._seed, batch=GENERATED))
        found = dict.fromkeys(wanted.intersection(generated), GENERATED)
        for earlier in takewhile(lambda known: known.batch != batch, self._files()):
            path, source = self._copy_of(earlier), source_of(earlier.batch)
            held = keys_within(path, wanted - found.keys(), config=self._config, source=source)
            found |= dict.fromkeys(held, earlier.batch)
        return found

    def _files(self) -> list[SeedBatch]:
        return [*self.sources.batches(), *self.inbox.batches()]

    def _copy_of(self, batch: SeedBatch) -> Path:
        return (self.sources if source_of(batch.batch) else self.inbox).copy_of(batch)
