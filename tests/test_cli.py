"""The `marco` command, as a user types it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from marco_dag.profiles import shipped_profiles

COMMANDS = (
    "artifacts",
    "estimate",
    "export",
    "export-data",
    "gc",
    "lineage",
    "profile",
    "promote",
    "scores",
    "serve",
    "sql",
    "study",
    "watch",
)


def test_help_names_every_command_and_imports_nothing_heavy():
    script = (
        "import sys\nfrom marco_dag.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n"
        "    heavy = {'polars', 'duckdb', 'pydantic', 'rich', 'dagster', 'torch'} & sys.modules.keys()\n"
        "    sys.exit(f'imports {heavy}' if heavy else end.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s", done.stdout, re.MULTILINE), command


def test_lineage_prints_a_tree_down_to_the_seeds(marco, leavings):
    status, out, _ = marco("lineage", "full/seed-q")
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("score full/seed-q  checkpoint: full, ")
    assert lines[1].startswith("├── seed seed-q ")
    assert any(
        leavings.ids["seed_prompts/mine"] in line and "mlflow run: mlflow-seed_prompts/mine" in line for line in lines
    )
    assert any("seed seed-3 " in line and "mine.jsonl" in line for line in lines)


def test_lineage_as_json(marco, leavings):
    status, out, _ = marco("lineage", "tables/chains/mine.parquet", "--json")
    assert status == 0
    assert json.loads(out)["id"] == leavings.ids["chains/mine"]


def test_lineage_of_the_unknown_says_what_is_accepted(marco):
    status, out, err = marco("lineage", "pair-none")
    assert (status, out) == (2, "")
    assert err.startswith("marco lineage: 'pair-none' has no recorded origin. Give an artifact id; ")
    assert marco("lineage")[0] == 2


def test_a_moved_root_is_refreshed_on_demand(marco, leavings):
    status, out, _ = marco("lineage", "--refresh")
    assert (status, out) == (0, f"{leavings.storage.database}\n")
    assert leavings.storage.database.exists()


def test_hostile_text_is_shown_without_its_control_characters(marco, leavings):
    nasty = "[red]\x1b[31m\nnext\x07</thinking>"
    row = {"seed_id": "seed-x", "task": "letters", "prompt": nasty, "batch": "x"}
    leavings.write("seed_prompts", "x", [row])
    for arguments in (("lineage", "seed-x"), ("sql", "SELECT prompt FROM seed_prompts WHERE batch = 'x'")):
        status, out, _ = marco(*arguments)
        assert status == 0
        assert "[red]�[31m⏎next�</thinking>" in out


def test_a_profile_is_printed_in_full_and_listed(marco):
    assert marco("profile")[1].split() == list(shipped_profiles())
    status, out, _ = marco("profile", "miniature")
    assert status == 0
    assert yaml.safe_load(out)["search"]["rollouts"] > 0


def test_a_wrong_profile_names_the_field_and_what_is_allowed(marco, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsearch: {rollouts: 0, rolouts: 3}\n")
    status, out, err = marco("profile", str(file))
    assert (status, out) == (2, "")
    assert "search.rollouts: Input should be greater than or equal to 1 (given: 0)" in err
    assert "search.rolouts: " in err
    assert "fields here: patterns, strategy" in err
    assert marco("profile", "no-such")[0] == 2


def test_scores_are_the_results_table(marco, leavings):
    status, out, _ = marco("scores")
    assert status == 0
    rows = {line.split()[0]: line.split()[1:3] for line in out.splitlines() if line.startswith(" ") and line.strip()}
    assert (rows["base"], rows["sft"], rows["full"]) == (["0.0", "0.0"], ["100.0", "100.0"], ["100.0", "100.0"])
    assert rows["control"] == ["–", "–"]  # in the profile, not scored
    assert "the student before training" in out
    assert marco("scores", "--markdown")[1].startswith("| checkpoint | what it is | accuracy %, greedy |")
    for file in leavings.storage.table_folder("scores").iterdir():
        file.unlink()
    status, _, err = marco("scores")
    assert status == 2
    assert "materialize benchmark_scores first" in err


def test_sql_answers_from_the_database_and_cannot_change_it(marco):
    status, out, _ = marco("sql", "SELECT task, count(*) AS questions, NULL AS nothing FROM seed_prompts GROUP BY task")
    assert status == 0
    assert "letters" in out
    assert "1 rows" in out
    status, out, _ = marco("sql", "--json", "SELECT batch, source FROM seed_batches")
    assert [json.loads(line) for line in out.splitlines()] == [{"batch": "mine", "source": "mine.jsonl"}]
    status, _, err = marco("sql", "DROP VIEW trees")
    assert status == 2
    assert "read-only" in err
    assert marco("sql", "SELECT nonsense")[0] == 2


def test_another_root_can_be_named_and_a_missing_one_is_refused(marco, tmp_path):
    status, _, err = marco("sql", "SELECT 1", "--root", str(tmp_path / "none"))
    assert status == 2
    assert "no such folder" in err
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir()
    status, out, _ = marco("sql", "--json", "SELECT count(*) AS n FROM artifacts", "--root", str(tmp_path / "empty"))
    assert (status, out) == (0, '{"n": 0}\n')


def test_the_console_script_is_installed_and_a_closed_pipe_is_no_error(leavings):
    marco = Path(sys.executable).with_name("marco")
    command = f"{marco} sql 'SELECT * FROM range(100000)' --json | head -n 1"
    environment = os.environ | {"MARCO_HOME": str(leavings.storage.root)}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ('{"range": 0}\n', "")
