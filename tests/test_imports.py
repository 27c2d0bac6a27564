"""Who may import whom: marco_dag ← resources ← assets ← marco_dag.definitions, and nothing heavy at import."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {"marco_dag": 0, "resources": 1, "assets": 2}
ROOF = "marco_dag.definitions"
COMMAND = "assets.demo"
"""Runs the code location as a user would, from above the roof; its asset modules do not know it."""


def modules(package: str) -> Iterator[tuple[str, Path]]:
    """Every module of a package by dotted name."""
    for file in sorted((ROOT / package).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def imported(file: Path) -> Iterator[str]:
    """What a module imports anywhere in its code, within functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import; name the package"
            yield node.module


EVERY_MODULE = [pair for package in LAYERS for pair in modules(package)]


@pytest.mark.parametrize(("module", "file"), EVERY_MODULE, ids=[module for module, _ in EVERY_MODULE])
def test_imports_run_one_way(module, file):
    layer = 3 if module == ROOF else LAYERS[module.split(".")[0]]
    wrong = [name for name in imported(file) if LAYERS.get(name.split(".")[0], -1) > layer]
    assert not wrong, f"{module} imports {wrong}"
    if layer == 0:
        assert not [name for name in imported(file) if name.split(".")[0].startswith("dagster")]
    if module not in (ROOF, COMMAND):
        assert ROOF not in imported(file)


_WITHOUT_DAGSTER = """
import importlib, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith("dagster"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


@pytest.mark.slow
def test_the_library_imports_without_dagster():
    names = [module for module, _ in modules("marco_dag") if module != ROOF]
    command = [sys.executable, "-c", _WITHOUT_DAGSTER, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_HEAVY = {"torch", "transformers", "trl", "peft", "accelerate", "datasets", "mlflow", "matplotlib", "pandas"}


def test_the_packages_and_resources_import_nothing_heavy():
    """What the code location reaches when it loads; the time itself is a figure of the benchmarks."""
    packages = [f"marco_dag.{p.name}" for p in (ROOT / "marco_dag").iterdir() if (p / "__init__.py").exists()]
    names = sorted([*packages, *(module for package in ("resources", "assets") for module, _ in modules(package))])
    script = (
        "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
        f"sys.exit(str({_HEAVY!r} & sys.modules.keys()) if {_HEAVY!r} & sys.modules.keys() else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
