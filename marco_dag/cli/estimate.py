"""`marco estimate`: what a profile will cost, before it runs."""

import argparse
import os
from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from marco_dag.cli.options import declare_root
from marco_dag.cli.output import console, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from marco_dag.estimate import Estimate, Hardware, Pilot, StageCost
    from marco_dag.profiles import Profile

HELP = "Estimate what a profile will cost: tokens, time, GPU-hours and disk, stage by stage."

_UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "profile",
        nargs="?",
        metavar="NAME_OR_PATH",
        help="a shipped profile's name, or a .yaml file (default: $MARCO_PROFILE, else miniature)",
    )
    parser.add_argument("--pilot", type=_count, metavar="N", help="grow N trees by the profile's models and go by them")
    parser.add_argument("--hardware", metavar="NAME", help="cpu, l4, rtx4090, a100, h100, h200")
    parser.add_argument("--questions", type=_count, metavar="N", help="training questions (default: counted)")
    parser.add_argument(
        "--parameters",
        action="append",
        default=[],
        type=_parameters,
        metavar="ROLE=COUNT",
        help="weights of the generator, critic or student, where neither folder nor name says: critic=7e10",
    )
    parser.add_argument("--training-rate", type=_rate, metavar="OPS", help="operations a second and device in training")
    parser.add_argument("--sampling-rate", type=_rate, metavar="OPS", help="the same in sampling")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    declare_root(parser)


def run(chosen: argparse.Namespace) -> None:
    """Print the estimate."""
    from marco_dag.estimate import Basis, estimate
    from marco_dag.profiles import load_profile

    profile = load_profile(chosen.profile or os.environ.get("MARCO_PROFILE") or "miniature")
    hardware = _hardware(chosen, profile)
    pilot = _pilot(chosen, profile)
    basis = Basis(hardware, chosen.questions, dict(chosen.parameters), pilot)
    found = estimate(profile, basis)
    if chosen.json:
        stages = [asdict(stage) for stage in (*found.stages, found.total)]
        print_json({"profile": profile.name, "hardware": hardware.name, "stages": stages, "peak": found.peak_bytes})
        return
    console().print(_table(found))
    for line in _said(profile, hardware, pilot, found):
        console().print(line, highlight=False)


def _hardware(chosen: argparse.Namespace, profile: "Profile") -> "Hardware":
    from marco_dag.errors import ProfileError
    from marco_dag.estimate import HARDWARE, usual_hardware

    hardware = usual_hardware(profile)
    if chosen.hardware is not None:
        if chosen.hardware not in HARDWARE:
            raise ProfileError(f"--hardware: no {chosen.hardware!r}; known: {', '.join(HARDWARE)}")
        hardware = HARDWARE[chosen.hardware]
    if chosen.training_rate is not None:
        hardware = replace(hardware, training=chosen.training_rate)
    if chosen.sampling_rate is not None:
        rate = chosen.sampling_rate
        hardware = replace(hardware, sampling_in_process=rate, sampling_by_server=rate)
    return hardware


def _pilot(chosen: argparse.Namespace, profile: "Profile") -> "Pilot | None":
    if chosen.pilot is None:
        return None
    from marco_dag.estimate import run_pilot
    from marco_dag.storage import Storage

    return run_pilot(profile, chosen.pilot, Storage(chosen.root) if chosen.root else Storage.from_environment())


def _table(found: "Estimate") -> "Table":
    from rich.table import Table

    table = Table()
    for name in ("stage", "sampled tokens", "trained tokens", "time", "GPU-hours", "disk"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in found.stages:
        table.add_row(*_cells(stage))
    table.add_section()
    table.add_row(*_cells(found.total))
    return table


def _cells(cost: "StageCost") -> list[str]:
    hours = f"{cost.gpu_hours:,.1f}" if cost.gpu_hours else ""
    tokens = [_rounded(count) if count else "" for count in (cost.sampled, cost.trained)]
    return [cost.stage, *tokens, str(timedelta(seconds=round(cost.seconds))), hours, f"{_rounded(cost.kept)}B"]


def _said(profile: "Profile", hardware: "Hardware", pilot: "Pilot | None", found: "Estimate") -> list[str]:
    """What the figures rest on."""
    if pilot is None:
        trees = "trees rehearsed from priors (marco_dag/estimate/priors.py); --pilot N asks the models"
    else:
        trees = f"{pilot.trees.trees} trees grown by the models, {pilot.tokens_per_s:,.0f} tokens a second"
    return [
        f"profile {profile.name} on {hardware.description}; {trees}",
        f"disk at most {_rounded(found.peak_bytes)}B at once, weights from the hub not counted",
        f"in short: {_in_short(found)}",
    ]


def _in_short(found: "Estimate") -> str:
    total = found.total
    hours, minutes = _digits(total.seconds / 3600, 2), _digits(total.seconds / 60, 2)
    time = f"{hours:g} hours" if hours >= 2 else f"{minutes:g} minutes"
    gpu = f", {_digits(total.gpu_hours, 2):g} GPU-hours" if total.gpu_hours else ""
    sampled, trained, disk = (_rounded(count, 2) for count in (total.sampled, total.trained, found.peak_bytes))
    return f"{sampled} tokens sampled, {trained} trained on, {time}{gpu}, {disk}B of disk"


def _rounded(count: float, digits: int = 3) -> str:
    """`count` in a unit that leaves up to `digits` digits: "1.43 M"."""
    count = _digits(count, digits)
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:g} {unit}"
    return f"{count:g} "


def _digits(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return count


def _rate(text: str) -> float:
    rate = float(text)
    if not rate > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return rate


def _parameters(text: str) -> tuple[str, float]:
    role, _, count = text.partition("=")
    if role not in ("generator", "critic", "student"):
        raise argparse.ArgumentTypeError(f"{role!r} is none of generator, critic, student")
    return role, _rate(count)
