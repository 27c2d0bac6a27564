"""`marco promote`: makes a registered checkpoint the one in use, where its scores are not worse."""

import argparse
import sys
from typing import TYPE_CHECKING

from marco_dag.cli.options import declare_profile, declare_root, profile_of, storage_of
from marco_dag.cli.output import print_json

if TYPE_CHECKING:
    from marco_dag.registry.promotion import Decision

HELP = "Make the candidate the champion, if its scores are not worse than the champion's; say on what evidence."


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "version",
        nargs="?",
        default="candidate",
        metavar="VERSION",
        help="an alias, a version's number or a recipe, whose newest version is meant (default: candidate)",
    )
    parser.add_argument("--force", metavar="REASON", help="promote it whatever the scores say; the reason is recorded")
    parser.add_argument("--dry-run", action="store_true", help="weigh the evidence, and change and record nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    declare_profile(parser, "whose registered model and margin to go by")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Decide, record, and say why; a refusal is an error."""
    from marco_dag.errors import RegistryError
    from marco_dag.registry import MlflowStore, ModelRegistry, registered_name
    from marco_dag.registry.promotion import carry_out, decide

    profile, storage = profile_of(chosen), storage_of(chosen)
    registry = ModelRegistry(MlflowStore.of(storage))
    decision = decide(
        storage,
        registry,
        registry.find(registered_name(profile.name), chosen.version),
        profile.promotion,
        confidence=profile.evaluation.confidence,
        forced=chosen.force,
    )
    if not chosen.dry_run:
        carry_out(storage, registry, decision)
    if chosen.json:
        print_json(_as_json(decision))
    else:
        _tell(decision, profile.evaluation.confidence, dry_run=chosen.dry_run)
    if not decision.promoted:
        raise RegistryError(
            f"{decision.version} is not promoted: {'; '.join(decision.objections)}. "
            '--force "…" promotes it all the same, and records why'
        )


def _tell(decision: "Decision", confidence: float, *, dry_run: bool) -> None:
    from marco_dag.registry.promotion import told

    lines = [f"{decision.version} beside {decision.champion or 'no champion'}"]
    if decision.findings:
        lines.append(f"differences in points, paired by question, with their {100 * confidence:g}% intervals:")
    lines += [f"  {line}" for line in told(decision)]
    if decision.promoted:
        against = f", against: {'; '.join(decision.objections)}" if decision.objections else ""
        forced = f" (forced: {decision.forced}{against})" if decision.forced else ""
        lines.append(f"{'would become' if dry_run else 'is now'} the champion{forced}")
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _as_json(decision: "Decision") -> dict[str, object]:
    return {
        "model": decision.version.model,
        "version": decision.version.number,
        "checkpoint": decision.version.registration.checkpoint,
        "champion": decision.champion.number if decision.champion else None,
        "promoted": decision.promoted,
        "forced": decision.forced,
        "objections": list(decision.objections),
        "evidence": [finding.to_json() for finding in decision.findings],
    }
