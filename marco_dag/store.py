"""Content-addressed artifacts: work that was done once is found again, work that was cut off goes on.

An artifact is a folder named by the hash of everything that decides its content (inputs, configuration, code version).
While it is being made it lives beside its final place as `<id>.partial`, which survives a crash so that the maker can
resume in it; a finished one is renamed into place in one step, so a folder without that suffix is always whole.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from marco_dag.identity import JsonValue, content_id

_MANIFEST = "artifact.json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One finished folder of the store."""

    id: str
    """`<kind>-<16 hex digits>`; equal ids mean equal inputs, configuration and code version."""
    path: Path
    """The folder."""
    reused: bool
    """Whether it was there already."""
    seconds: float
    """What making it cost, then or now."""


class ArtifactStore:
    """The artifacts below one root, safe for many processes on one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get_or_make(self, kind: str, key: Mapping[str, JsonValue], make: Callable[[Path], None]) -> Artifact:
        """The artifact of `kind` for `key`; `make(folder)` is called only where it does not exist yet.

        `folder` exists and may hold what an interrupted earlier call left. If `make` raises, what it wrote stays for
        the next try. A second process that asks for the same artifact waits for the first.
        """
        artifact_id = content_id(kind, dict(key))
        final = self.root / kind / artifact_id
        partial = final.with_name(final.name + ".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{partial}.lock"):
            if final.exists():
                return Artifact(artifact_id, final, reused=True, seconds=self._read_manifest(final)["seconds"])
            partial.mkdir(exist_ok=True)
            start = time.perf_counter()
            make(partial)
            seconds = time.perf_counter() - start
            manifest = {
                "id": artifact_id,
                "kind": kind,
                "key": dict(key),
                "seconds": seconds,
                "created_at": time.time(),
            }
            (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2))
            partial.rename(final)
        return Artifact(artifact_id, final, reused=False, seconds=seconds)

    def _read_manifest(self, path: Path) -> dict[str, float]:
        manifest: dict[str, float] = json.loads((path / _MANIFEST).read_text())
        return manifest
