"""Write `docs/tree.md`: every module of the packages with the first sentence of its docstring.

python scripts/tree.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tree.md"
PACKAGES = ("marco_dag", "resources", "assets", "benchmarks", "scripts")
HEADER = """# Where is what

Made by `scripts/tree.py` from the modules' own first lines. Tests lie in `tests/`, in folders of the same names."""


def page() -> str:
    """The page's text."""
    parts = [HEADER]
    for package in PACKAGES:
        folders = sorted({module.parent for module in (ROOT / package).rglob("*.py")})
        for folder in folders:
            parts.append(f"\n## {folder.relative_to(ROOT).as_posix()}/\n")
            parts += [f"- `{module.name}`: {first_line(module)}" for module in sorted(folder.glob("*.py"))]
    return "\n".join(parts) + "\n"


def first_line(module: Path) -> str:
    """The first line of a module's docstring; ValueError where there is none."""
    docstring = ast.get_docstring(ast.parse(module.read_text()))
    if not docstring:
        raise ValueError(f"{module}: no docstring")
    return docstring.splitlines()[0]


if __name__ == "__main__":
    PAGE.write_text(page())
