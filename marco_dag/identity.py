"""Content ids, digests and derived random seeds: same work, same names.

Every id in the tables is a hash of what the row says, so that a re-run gives the same ids and lineage can be joined.
"""

import hashlib
import json
from pathlib import Path
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

_CHUNK_BYTES = 1 << 20
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical_json(value: object) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, non-ASCII kept; TypeError on anything not JSON."""
    return _encode(value)


def content_id(kind: str, *parts: object) -> str:
    """`kind-` followed by 16 hex digits that depend on `parts` (JSON values) and on nothing else."""
    return f"{kind}-{digest_json([kind, *parts])[:16]}"


def digest_json(value: object) -> str:
    """The SHA-256 (64 hex digits) of a JSON value, independent of key order."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """The SHA-256 (64 hex digits) of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def digest_folder(path: Path, pattern: str = "**/*") -> str:
    """The SHA-256 over the names and bytes of the files below `path` that match `pattern`; names are relative."""
    files = sorted(p for p in path.glob(pattern) if p.is_file())
    return digest_json([[p.relative_to(path).as_posix(), digest_file(p)] for p in files])


def derive_seed(*parts: object) -> int:
    """A random seed in [0, 2**31) that depends on `parts` (JSON values) and on nothing else.

    31 bits, because that is what every engine's per-request seed accepts.
    """
    return int(digest_json(list(parts))[:16], 16) % (1 << 31)
