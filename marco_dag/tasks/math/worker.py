"""The program of a worker process: `python -P worker.py CPU_SECONDS MEMORY_BYTES`. Compares pairs by math-verify.

It reads one JSON request a line, `[[gold, answer], ...]`, and writes one line a reply, beginning with a `ready`. The
kernel ends it when one request costs more processor time than allowed; it ends itself when its input is closed or its
parent is gone. It imports math-verify and the standard library alone. Nothing that it reads is evaluated as Python:
math-verify's reader of plain expressions, which does that, is left out; its LaTeX reader parses by a grammar.
"""

import contextlib
import json
import logging
import os
import resource
import select
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

_SECONDS_BETWEEN_LOOKS = 5.0
_ROOMY_SHARE = 0.5


def main() -> int:
    """See the module; 0 when nobody is there to ask any more."""
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
    parent = os.getppid()
    with contextlib.suppress(OSError, ValueError):  # a system that knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        compare = _load()
    except Exception as error:
        _say({"failed": f"{type(error).__name__}: {error}"})
        return 1
    _say({"ready": True})
    for line in _requests(parent):
        signal.setitimer(signal.ITIMER_PROF, seconds)
        finding = compare(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        is_last = _resident_bytes() > memory * _ROOMY_SHARE
        _say({"finding": finding, "last": is_last})
        if is_last:
            break
    return 0


def _load() -> Any:
    from math_verify import LatexExtractionConfig, parse, verify
    from sympy.core.random import seed

    normalization = replace(LatexExtractionConfig().normalization_config, units=False, boxed="last")
    configuration = [LatexExtractionConfig(boxed_match_priority=0, normalization_config=normalization)]

    def read(text: str) -> list[Any]:
        """The expression that `text` is and the text as math-verify sees it; only the text where it is none."""
        return list(parse(f"\\boxed{{{text}}}", extraction_config=configuration, parsing_timeout=None))

    def compare(pairs: Sequence[tuple[str, str]]) -> str:
        seed(0)
        for gold, answer in pairs:
            expected, found = read(gold), read(answer)
            if all(isinstance(one, str) for one in expected):
                return "unreadable_gold"
            if not verify(expected, found, timeout_seconds=None):
                return "unreadable_answer" if all(isinstance(one, str) for one in found) else "different"
        return "equal"

    compare([("1", "1")])
    return compare


def _requests(parent: int) -> Iterator[bytes]:
    """Each line of the input, until it is closed or the parent is gone."""
    buffered = b""
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _SECONDS_BETWEEN_LOOKS)
        if not readable:
            continue
        chunk = os.read(0, 1 << 16)
        if not chunk:
            return
        buffered += chunk
        while b"\n" in buffered:
            line, _, buffered = buffered.partition(b"\n")
            yield line


def _resident_bytes() -> int:
    """How much memory this process holds; 0 where the system does not say so."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGESIZE")


def _say(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
