"""What a clone installs: locks without addresses, a wheel with every file in it, a set-up that does nothing twice."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import marco_dag

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PACKAGES = ("assets", "marco_dag", "resources")


def locked(lock: Path) -> list[Requirement]:
    """The requirements of a lock file, hashes left out."""
    return [Requirement(line.rstrip(" \\")) for line in lock.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]


def locked_versions(*names: str) -> dict[str, str]:
    """Package → version, of those that the locks `names` hold for this platform."""
    requirements = [r for name in names for r in locked(ROOT / "requirements" / name)]
    return {
        canonicalize_name(r.name): next(iter(r.specifier)).version
        for r in requirements
        if r.marker is None or r.marker.evaluate()
    }


EXTRA_LOCKS = [f"{extra}.lock.txt" for extra in PROJECT["project"]["optional-dependencies"]]
TESTED = ("kubernetes", "qlora", "ray")
"""Extras that come with the test tools."""
TESTED_LOCKS = [f"{extra}.lock.txt" for extra in ("dev", *TESTED)]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
class TestLock:
    def test_holds_versions_and_hashes_and_no_address(self, lock: Path):
        for line in lock.read_text().splitlines():
            assert re.fullmatch(r"|#.*|[a-z0-9-]+==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), (
                line
            )
        assert not re.search(r"://|--(extra-)?index|--find-links|^-", lock.read_text(), re.MULTILINE)

    def test_hashes_every_package(self, lock: Path):
        blocks = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]
        assert blocks
        assert all("--hash=sha256:" in block for block in blocks)


class TestLockedVersions:
    def test_every_direct_dependency_is_locked_within_its_range(self):
        versions = locked_versions("lock.txt", "torch.txt", *EXTRA_LOCKS)
        extras = PROJECT["project"]["optional-dependencies"]
        wanted = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"], *chain(*extras.values())]
        for requirement in map(Requirement, wanted):
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement

    def test_this_environment_is_what_the_locks_say(self):
        different = {
            name: (version, installed)
            for name, version in locked_versions("lock.txt", "torch.txt", *TESTED_LOCKS).items()
            if (installed := importlib.metadata.version(name).partition("+")[0]) != version
        }
        assert different == {}

    def test_cuda_libraries_are_apart(self):
        cuda = set(locked_versions("cuda.txt"))
        assert {"triton", "nvidia-nccl-cu13"} <= cuda or sys.platform != "linux"
        assert not cuda & set(locked_versions("lock.txt", "torch.txt", *EXTRA_LOCKS))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    # Built from a copy: setuptools writes beside what it builds.
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", target, source], check=True, capture_output=True)
    return zipfile.ZipFile(next(target.glob("*.whl")))


class TestWheel:
    def test_holds_every_file_of_the_packages(self, wheel: zipfile.ZipFile):
        ours = {
            path.relative_to(ROOT).as_posix()
            for package in PACKAGES
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert ours - set(wheel.namelist()) == set()

    def test_holds_the_licence_and_the_console_script(self, wheel: zipfile.ZipFile):
        info = f"marco_dag-{marco_dag.__version__}.dist-info"
        assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert b"marco = marco_dag.cli:main" in wheel.read(f"{info}/entry_points.txt")


class TestInstallScript:
    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        """A copy of what the script reads, with an environment that has no pip: any attempt to install fails."""
        shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
        shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        venv.create(tmp_path / ".venv", with_pip=False)
        return tmp_path

    def run(self, clone: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [clone / ".venv/bin/python", "scripts/install.py", *arguments]
        return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)

    def stamp(self, clone: Path, **changes: object) -> None:
        """What a finished installation leaves."""
        code = "import sys; sys.path.append('scripts'); import install; print(install.digest_of_locks())"
        command = [clone / ".venv/bin/python", "-c", code]
        digest = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout.strip()
        stamp = {"locks": digest, "torch": ["cpu"], "extras": ["dev", *TESTED], **changes}
        (clone / ".venv/marco-installed.json").write_text(json.dumps(stamp))

    def test_does_nothing_twice(self, clone: Path):
        self.stamp(clone)
        result = self.run(clone, "--torch", "cpu", "--dev")
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")

    @pytest.mark.parametrize(
        "changes", [{"extras": []}, {"extras": ["dev"]}, {"torch": ["cuda"]}, {"locks": "of last week"}]
    )
    def test_installs_when_something_changed(self, clone: Path, changes: dict[str, object]):
        self.stamp(clone, **changes)
        result = self.run(clone, "--torch", "cpu", "--dev")
        assert result.returncode != 0
        assert "No module named pip" in result.stderr
        assert not (clone / ".venv/marco-installed.json").exists(), "a failed installation must not look finished"

    def test_refuses_to_touch_a_python_that_is_no_environment(self):
        base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        result = subprocess.run([base, ROOT / "scripts/install.py"], capture_output=True, text=True, check=False)
        assert result.returncode == 2
        assert "not a virtual environment" in result.stderr


class TestCommands:
    def test_make_alone_lists_every_target(self):
        shown = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
        documented = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert re.findall(r"^  make ([a-z-]+)", shown.stdout, re.MULTILINE) == documented
        assert set(documented) >= {"help", "install", "demo", "test", "check", "bench", "dev", "clean"}

    def test_continuous_integration_runs_make_test(self):
        script = ROOT / ".ci/run"
        assert script.stat().st_mode & 0o111
        assert script.read_text().splitlines()[-1] == "make test"

    def test_changelog_starts_with_this_version(self):
        headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
        assert headings[0] == marco_dag.__version__
