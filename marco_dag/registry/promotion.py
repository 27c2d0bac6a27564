"""Which version becomes the champion: decided by its scores beside the champion's, or by force with a reason.

The decision is written down three times: on the version (MLflow tags), in the alias, and in lineage (`promotions`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from marco_dag.errors import RegistryError
from marco_dag.evaluation import SCORES_FILE
from marco_dag.lineage import Promotion, record_promotion
from marco_dag.redaction import redact_text
from marco_dag.registry.config import PromotionConfig
from marco_dag.registry.evidence import Finding, points, weigh
from marco_dag.registry.versions import ModelRegistry, Version
from marco_dag.storage import Storage

_LONGEST_TAG = 5000


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a version becomes the champion, and why."""

    version: Version
    """The version in question."""
    champion: Version | None
    """The champion so far; None: there is nothing to compare with, and the version is taken."""
    findings: tuple[Finding, ...]
    """Every comparison."""
    forced: str | None
    """The reason for promoting it whatever the evidence; None to go by the evidence."""

    @property
    def objections(self) -> tuple[str, ...]:
        """What speaks against it."""
        if self.champion is not None and not self.findings:
            return ("it and the champion answered no question in common; score both on the same ones",)
        return tuple(objection for finding in self.findings for objection in finding.objections)

    @property
    def promoted(self) -> bool:
        """Whether it becomes the champion."""
        return self.forced is not None or not self.objections


def decide(
    storage: Storage,
    registry: ModelRegistry,
    version: Version,
    config: PromotionConfig,
    *,
    confidence: float,
    forced: str | None = None,
) -> Decision:
    """Whether `version` becomes the champion; changes nothing.

    `confidence` is the coverage of the intervals; `forced` a reason to promote it in any case, which is recorded.
    RegistryError where it is the champion already, its checkpoint or needed scores are not in the store, or the reason
    says nothing.
    """
    if forced is not None and not forced.strip():
        raise RegistryError("a forced promotion needs a reason; it is recorded for those who come after")
    champion = registry.champion(version.model)
    if champion is not None and champion.number == version.number:
        raise RegistryError(f"{version} is the champion already")
    if not (storage.root / version.registration.location).is_dir():
        raise RegistryError(
            f"{version}: its checkpoint {version.registration.location} is not below {storage.root} any more; "
            "train it again, or promote another version"
        )
    findings: tuple[Finding, ...] = ()
    if champion is not None:
        scores = [_read_scores(storage, which) for which in (version, champion)]
        findings = weigh(*scores, margin=config.margin, confidence=confidence)
    return Decision(version, champion, findings, redact_text(forced.strip()) if forced else None)


def carry_out(storage: Storage, registry: ModelRegistry, decision: Decision) -> None:
    """Record the decision, and make the version the champion where that is what was decided."""
    version, champion = decision.version, decision.champion
    tags = {
        "decision": "promoted" if decision.promoted else "refused",
        "compared_with": str(champion) if champion else "nothing: the first champion",
        "evidence": "\n".join(told(decision))[:_LONGEST_TAG],
        "forced": decision.forced or "",
    }
    if decision.promoted:
        registry.promote(version, tags)
    else:
        registry.tag(version, tags)
    record_promotion(
        storage,
        Promotion(
            model=version.model,
            version=version.number,
            checkpoint=version.registration.checkpoint,
            checkpoint_digest=version.registration.digest,
            champion=champion.number if champion else None,
            promoted=decision.promoted,
            reason=decision.forced,
            objections=decision.objections,
            evidence=tuple(finding.to_json() for finding in decision.findings),
        ),
    )


def told(decision: Decision) -> Iterator[str]:
    """The evidence, a line a comparison, differences in per cent points."""
    if decision.champion is None:
        yield "there is no champion yet, so there is nothing to compare with"
    for finding in decision.findings:
        yield (
            f"{finding.benchmark}, {finding.decoding}: accuracy {points(finding.accuracy)}, "
            f"no answer {points(finding.no_answer)}, n = {finding.questions}"
        )


def _read_scores(storage: Storage, version: Version) -> pl.DataFrame:
    file = storage.artifacts / "scores" / version.registration.scores / SCORES_FILE
    try:
        return pl.read_parquet(file)
    except FileNotFoundError as error:
        raise RegistryError(
            f"{version}: its scores {file} are not there any more; materialize benchmark_scores of it again"
        ) from error
