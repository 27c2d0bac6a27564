"""Measure the chosen areas (default: all), print a table, and write `build/bench.json`.

    python -m benchmarks                      # everything
    python -m benchmarks definitions          # some areas

Figures of areas that were not measured this time stay in the file as they are.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import (
    definitions,
    demo,
    orchestration,
    ray_nodes,
    search_inprocess,
    search_scripted,
    search_vllm,
    training,
    verifiers,
)
from benchmarks.figure import Entry, Figure

AREAS: Mapping[str, Callable[[], list[Figure]]] = {
    "definitions": definitions.measure,
    "demo": demo.measure,
    "orchestration": orchestration.measure,
    "ray": ray_nodes.measure,
    "search-scripted": search_scripted.measure,
    "search-inprocess": search_inprocess.measure,
    "search-vllm": search_vllm.measure,
    "training": training.measure,
    "verifiers": verifiers.measure,
}
OUTPUT = Path("build/bench.json")


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure and write build/bench.json.")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}; default: all")
    chosen = parser.parse_args().areas or list(AREAS)
    if unknown := sorted(set(chosen) - AREAS.keys()):
        parser.error(f"no area {', '.join(unknown)}; areas: {', '.join(AREAS)}")
    for area in chosen:
        print(f"measuring {area}: {(AREAS[area].__doc__ or '').splitlines()[0]}", flush=True)
        record(AREAS[area]())


def record(figures: list[Figure]) -> None:
    """Show `figures` and add them to the file at once, so that a later area that fails loses nothing."""
    entries: dict[str, Entry] = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else {}
    for figure in figures:
        entry = entries[figure.name] = figure.entry()
        spread = f"{entry['low']:.3g} to {entry['high']:.3g}, n = {entry['n']}"
        print(f"  {figure.name:<32} {entry['value']:>9.3f} {entry['unit']:<6} ({spread})", flush=True)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(dict(sorted(entries.items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
