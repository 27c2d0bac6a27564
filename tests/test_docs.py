"""The pages say what is there: links lead somewhere, examples run, the tree is the tree."""

import ast
import asyncio
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from marco_dag.cli import main as marco
from marco_dag.engines import Message, Request
from marco_dag.profiles import parse_profile

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
class TestPage:
    def test_links_lead_somewhere(self, page: Path):
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        assert [target for target in targets if not (page.parent / target).exists()] == []

    def test_python_examples_parse(self, page: Path):
        for block in blocks(page, "python"):
            ast.parse(block)


class TestReadme:
    def test_every_asset_is_in_the_table_and_in_the_picture(self):
        from marco_dag.definitions import defs

        readme = (ROOT / "README.md").read_text()
        table = {name for line in re.findall(r"^\| (`.*?) \|", readme, re.MULTILINE) for name in line.split(", ")}
        [picture] = blocks(ROOT / "README.md", "mermaid")
        for key in defs.resolve_asset_graph().get_all_asset_keys():
            assert f"`{key.to_user_string()}`" in table
            assert re.search(rf"\b{key.to_user_string()}\b", picture)

    def test_profile_example_is_valid(self):
        import yaml

        [text] = blocks(ROOT / "README.md", "yaml")
        assert parse_profile(yaml.safe_load(text), origin="README").name == "mine"

    def test_seed_row_example_is_accepted(self, tmp_path: Path):
        from marco_dag.seeds import SeedsConfig, read_seed_file

        file = tmp_path / "seeds.jsonl"
        file.write_text(blocks(ROOT / "README.md", "json")[0])
        read = read_seed_file(file, batch="mine", config=SeedsConfig())
        assert (read.prompts.height, read.quarantine.to_dicts()) == (1, [])

    def test_console_commands_exist(self, capsys: pytest.CaptureFixture[str]):
        shown = " ".join(blocks(ROOT / "README.md", "console"))
        for command in set(re.findall(r"^\$ marco (\w+)", shown, re.MULTILINE)):
            with pytest.raises(SystemExit, match="0"):
                marco([command, "--help"])
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(re.findall(r"^\$ make (\w+)", shown, re.MULTILINE)) <= set(targets)
        assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"] == {
            "marco": "marco_dag.cli:main"
        }


def test_profiles_of_the_seeds_page_are_valid():
    import yaml

    for text in blocks(ROOT / "docs/seeds.md", "yaml"):
        seeds = parse_profile({"name": "page", **yaml.safe_load(text)}, origin="docs/seeds.md").seeds
        assert seeds.sources or seeds.difficulty


def test_engine_example_completes():
    namespace: dict[str, object] = {}
    exec(blocks(ROOT / "docs/extending/engine.md", "python")[1], namespace)
    request = Request((Message("user", "two and two?"),), stop=("</ANSWER>", "</answer>"))
    [completion] = asyncio.run(namespace["engine"].complete(request))  # type: ignore[attr-defined]
    assert (completion.text, completion.finish_reason, completion.stop) == ("FOUR", "stop", "</answer>")


def test_tree_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("tree", ROOT / "scripts/tree.py")
    assert spec
    assert spec.loader
    tree = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tree)
    assert tree.PAGE.read_text() == tree.page(), "run: .venv/bin/python scripts/tree.py"
