"""The folder that users drop seeds files into: each new content becomes a batch, once, with a copy that never changes.

A batch is known by its content: a file that is renamed or uploaded again makes nothing new, and an edited file makes a
new batch beside the old one. Files that are still being written are left for the next scan.
"""

import json
import re
import stat
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from marco_dag.identity import digest_file
from marco_dag.seeds.files import SEED_SUFFIXES
from marco_dag.seeds.snapshots import DIGEST_DIGITS, snapshot, write_whole

_UNFINISHED_SUFFIXES = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~")
_SLUG_CHARS = 40


@dataclass(frozen=True, slots=True)
class SeedBatch:
    """A seeds file that was taken in."""

    batch: str
    """The partition key: `<slug of the file's name>-<8 hex digits of its content's digest>`."""
    file: str
    """The file's name when it was taken in."""
    digest: str
    """SHA-256 of the content, 64 hex digits."""
    suffix: str
    """What the name ended in, in lower case."""
    bytes: int
    """Size of the content."""
    order: int = 0
    """The how-manieth file taken in, from 1; 0 where this was not counted. Of a question in two the first keeps it."""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """Something in the inbox that did not become a batch."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class InboxScan:
    """What one scan found."""

    new: tuple[SeedBatch, ...]
    """Batches taken in by this scan, by file name."""
    waiting: tuple[SkippedFile, ...]
    """Files that are still being written; a later scan takes them."""
    ignored: tuple[SkippedFile, ...]
    """What is not a seeds file."""


class Inbox:
    """The inbox folder and the store of the copies made from it; safe for several processes on one machine."""

    def __init__(self, folder: Path, copies: Path, *, settle_seconds: float = 2.0) -> None:
        """`settle_seconds`: a file changed more recently than this counts as still being written, ≥ 0."""
        self.folder = folder
        self.copies = copies
        self.settle_seconds = settle_seconds

    def scan(self) -> InboxScan:
        """Take in every finished file whose content is new. A missing inbox is created, empty."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.copies.mkdir(parents=True, exist_ok=True)
        new: list[SeedBatch] = []
        waiting: list[SkippedFile] = []
        ignored: list[SkippedFile] = []
        with FileLock(self.copies / ".lock"):
            before = self.batches()
            known = {batch.digest for batch in before}
            order = max((batch.order for batch in before), default=0)
            for path in sorted(self.folder.iterdir()):
                if path.name.startswith("."):
                    continue
                name = path.name.encode(errors="replace").decode()
                try:
                    if reason := self._unfit(path):
                        ignored.append(SkippedFile(name, reason))
                    elif reason := self._unfinished(path):
                        waiting.append(SkippedFile(name, reason))
                    elif (taken := self._take(path, name, known, order + 1)) is None:
                        waiting.append(SkippedFile(name, "changed while it was read"))
                    elif taken.digest not in known:
                        order += 1
                        known.add(taken.digest)
                        new.append(taken)
                except FileNotFoundError:
                    continue  # taken away since the folder was listed
                except PermissionError:
                    ignored.append(SkippedFile(name, "may not be read; change its permissions"))
        return InboxScan(tuple(new), tuple(waiting), tuple(ignored))

    def scan_settled(self) -> InboxScan:
        """`scan`, and once more after `settle_seconds` if a file was too fresh: for people who drop a file and run."""
        first = self.scan()
        if not first.waiting:
            return first
        time.sleep(self.settle_seconds)
        second = self.scan()
        return InboxScan((*first.new, *second.new), second.waiting, second.ignored)

    def batches(self) -> list[SeedBatch]:
        """Every batch ever taken in, in that order."""
        manifests = self.copies.glob("*.json")
        taken = [SeedBatch(**json.loads(path.read_text())) for path in manifests]
        return sorted(taken, key=lambda batch: (batch.order, batch.batch))

    def find(self, batch: str) -> SeedBatch | None:
        """The batch of that key, or None."""
        return next((known for known in self.batches() if known.batch == batch), None)

    def copy_of(self, batch: SeedBatch) -> Path:
        """Where the batch's own copy of its file lies."""
        return self.copies / f"{batch.digest}{batch.suffix}"

    def _unfit(self, path: Path) -> str | None:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return "is a link; put a copy here"
        if stat.S_ISDIR(mode):
            return "is a folder; files must lie in the inbox itself"
        if not stat.S_ISREG(mode):
            return "is not a regular file"
        if path.name.lower().endswith(_UNFINISHED_SUFFIXES) or path.suffix.lower() in SEED_SUFFIXES:
            return None
        return f"is not a seeds file; its name must end in one of {', '.join(SEED_SUFFIXES)}"

    def _unfinished(self, path: Path) -> str | None:
        if path.name.lower().endswith(_UNFINISHED_SUFFIXES):
            return "has the name of an unfinished upload"
        # A clock that runs ahead (network drives) must not hold a file back for ever.
        if abs(time.time() - path.stat().st_mtime) < self.settle_seconds:
            return f"changed less than {self.settle_seconds:g} s ago"
        return None

    def _take(self, path: Path, name: str, known: set[str], order: int) -> SeedBatch | None:
        """The file's batch, copied where its content is new; None where it changed meanwhile."""
        size = path.stat().st_size
        digest = digest_file(path)
        suffix = path.suffix.lower()
        batch = SeedBatch(f"{_slug(path.stem)}-{digest[:DIGEST_DIGITS]}", name, digest, suffix, size, order)
        if digest in known:
            return batch
        if not snapshot(path, self.copy_of(batch), digest):
            return None
        write_whole(self.copies / f"{digest}.json", json.dumps(asdict(batch), indent=2))
        return batch


def _slug(stem: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:_SLUG_CHARS].strip("-") or "seeds"
