"""The log of promotions: one small file a decision about which checkpoint is in use, written once and left alone.

Refusals are in it too. What is decided, and on what grounds, is `marco_dag.registry.promotion`'s business.
"""

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from marco_dag.identity import JsonValue
from marco_dag.lineage.events import write_event
from marco_dag.storage import Storage


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A decision: a row of the view `promotions`."""

    model: str
    """The registered model."""
    version: int
    """The version that was to become the champion."""
    checkpoint: str
    """Under which name it was scored."""
    checkpoint_digest: str
    """The digest of its weights."""
    champion: int | None
    """The version that was the champion until then; None if there was none."""
    promoted: bool
    """Whether it became the champion."""
    reason: str | None
    """Why it was promoted against the evidence, in the words of who did it; None if it was not forced."""
    objections: tuple[str, ...]
    """What spoke against it."""
    evidence: tuple[dict[str, JsonValue], ...]
    """Every comparison with the champion: benchmark, decoding, questions, differences with intervals."""
    decided_at: datetime = field(default_factory=_now)
    """When, with a time zone."""


def record_promotion(storage: Storage, promotion: Promotion) -> None:
    """Append a decision, durably."""
    moment = promotion.decided_at.astimezone(UTC)
    values = {
        **asdict(promotion),
        "objections": json.dumps(promotion.objections, ensure_ascii=False),
        "evidence": json.dumps(promotion.evidence, ensure_ascii=False),
        "decided_at": moment.isoformat(timespec="microseconds"),
    }
    write_event(storage.promotions / f"{moment:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}.json", values)
