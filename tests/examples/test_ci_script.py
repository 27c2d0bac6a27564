"""The script that both examples of continuous integration call, run as they run it; and the examples' own form."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from marco_dag.lineage import open_database
from marco_dag.storage import Storage

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
SCRIPT = EXAMPLES / "ci.sh"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list["Run"]:
    """Two runners, one after the other; the second starts from the artifacts that the first has left."""
    cache = tmp_path_factory.mktemp("cache") / "artifacts"
    found = []
    for limit in (0.0, 1.0):
        run = Run(tmp_path_factory.mktemp("runner"), no_answer_limit=limit)
        if cache.exists():
            shutil.copytree(cache, run.storage.artifacts)
        run.start()
        shutil.copytree(run.storage.artifacts, cache, dirs_exist_ok=True)
        found.append(run)
    return found


class TestScript:
    """Two changes in a row, as two runners would see them: what the first made by content, the second finds."""

    pytestmark: ClassVar = [pytest.mark.slow, pytest.mark.timeout(1200)]

    def test_a_blocking_check_fails_the_run_and_is_named(self, runs):
        harsh, _ = runs
        assert harsh.status == 1, harsh.errors
        assert harsh.errors.splitlines()[-1] == "failed: benchmark_scores [joint]"

    def test_the_scores_are_shown_all_the_same(self, runs):
        for run in runs:
            rows = [line.split(" | ")[0] for line in run.scores.splitlines() if line.startswith("| ")]
            assert rows == ["| checkpoint", "| ---", "| base", "| sft", "| joint"]
            assert "–" not in run.scores
            assert run.scores in run.output

    def test_without_a_failure_the_run_succeeds(self, runs):
        _, lenient = runs
        assert lenient.status == 0, lenient.errors
        assert (lenient.storage.reports / "ci" / "report.html").is_file()

    def test_the_second_runner_makes_nothing_again_that_the_first_has_made(self, runs):
        harsh, lenient = runs
        costly = {"base_models", "mcts_trees", "thoughts", "sft_checkpoint", "dpo_checkpoint", "benchmark_scores"}
        assert not costly & harsh.reused()
        assert lenient.reused() == costly
        assert lenient.scores == harsh.scores


class Run:
    """One runner: a folder with dagster.yaml and the profile in it, and the script's outcome."""

    def __init__(self, folder: Path, *, no_answer_limit: float) -> None:
        self.folder = folder
        self.storage = Storage(folder / "data")
        shutil.copy(ROOT / "dagster.yaml", folder)
        profile = yaml.safe_load((ROOT / "tests/profiles/tiny.yaml").read_text())
        profile["name"] = "ci"
        profile["recipes"] = {"joint": profile["recipes"]["joint"] | {"candidate": True}}
        profile["evaluation"]["no_answer_limit"] = no_answer_limit
        (folder / "ci.yaml").write_text(yaml.safe_dump(profile))

    def start(self) -> None:
        kept = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        environment = kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "MARCO_PROFILE": str(self.folder / "ci.yaml"),
            "MARCO_HOME": str(self.storage.root),
        }
        done = subprocess.run([SCRIPT], cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        self.status, self.output, self.errors = done.returncode, done.stdout, done.stderr
        self.scores = (self.folder / "scores.md").read_text()

    def reused(self) -> set[str]:
        with open_database(self.storage) as database:
            rows = database.execute("SELECT asset_key FROM latest_artifacts WHERE reused").fetchall()
        return {asset for (asset,) in rows}


def script_commands(text: str) -> set[str]:
    return set(re.findall(r"examples/\S+\.sh", text))


class TestExamples:
    @pytest.mark.parametrize(
        ("name", "schema"), [("github-actions", "vendor.github-workflows"), ("gitlab-ci", "vendor.gitlab-ci")]
    )
    def test_follows_its_service_schema_and_calls_the_script(self, name: str, schema: str):
        file = EXAMPLES / f"{name}.yaml"
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
        assert script_commands(file.read_text()) == {"examples/ci.sh"}
        assert os.access(SCRIPT, os.X_OK)

    def test_github_gets_no_more_rights_than_it_needs_and_actions_are_pinned_by_commit(self):
        workflow = yaml.safe_load((EXAMPLES / "github-actions.yaml").read_text())
        assert workflow["permissions"] == {"contents": "read"}
        steps = workflow["jobs"]["materialize"]["steps"]
        used = [step["uses"] for step in steps if "uses" in step]
        assert used
        assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)

    def test_both_keep_the_artifacts_and_show_the_scores_of_a_failed_run_too(self):
        github = yaml.safe_load((EXAMPLES / "github-actions.yaml").read_text())
        steps = github["jobs"]["materialize"]["steps"]
        assert [step["with"]["path"] for step in steps if "cache" in step.get("uses", "")] == [
            ".venv",
            "data/artifacts",
        ]
        [show] = [step for step in steps if "scores.md >>" in step.get("run", "")]
        assert show["if"] == "always()"
        job = yaml.safe_load((EXAMPLES / "gitlab-ci.yaml").read_text())["materialize"]
        assert [path for kept in job["cache"] for path in kept["paths"]] == [".venv", "data/artifacts"]
        assert job["artifacts"]["when"] == "always"
        assert "scores.md" in job["artifacts"]["paths"]
