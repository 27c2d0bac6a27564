"""Real runs that are given secrets, and everything that they leave, read to the last byte."""

import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from marco_dag.engines import ScriptedEngine
from marco_dag.engines.loading import load_tokenizer
from tests.assets.conftest import House, open_house
from tests.engines.completions_server import CompletionsServer

pytestmark = pytest.mark.slow

KEY, PASSWORD = "planted-key-of-the-engine", "planted-password-of-the-database"
KEY_VARIABLE = "WHO_WRITES"
"""Not named like a secret: the profile says that it holds one."""


def chunks(file: Path) -> Iterator[bytes]:
    """What a file holds, also where it is packed: as it lies, and a database's values and a table's rows unpacked."""
    yield file.read_bytes()
    if file.suffix == ".parquet":
        yield pl.read_parquet(file).write_json().encode()
    elif file.read_bytes().startswith(b"SQLite format 3"):
        with sqlite3.connect(file) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    yield from (unpacked(value) for value in row)
        database.close()


def unpacked(value: object) -> bytes:
    """Dagster keeps snapshots of jobs as hexadecimal digits of compressed JSON."""
    data = value if isinstance(value, bytes) else str(value).encode()
    for packed in (data, bytes.fromhex(data.decode()) if is_hexadecimal(data) else b""):
        try:
            return zlib.decompress(packed)
        except zlib.error:
            continue
    return data


def is_hexadecimal(data: bytes) -> bool:
    return len(data) % 2 == 0 and not data.lower().strip(b"0123456789abcdef")


def holding(word: str, root: Path) -> set[str]:
    """The files below `root` in which `word` stands."""
    files = [file for file in root.rglob("*") if file.is_file()]
    return {str(file.relative_to(root)) for file in files if any(word.encode() in chunk for chunk in chunks(file))}


@pytest.fixture
def house(trained, tmp_path, monkeypatch) -> Iterator[House]:
    """A house with an instance on disk, whose environment holds a key and, in an address, a password."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "artifacts").symlink_to(trained / "artifacts")
    (tmp_path / "dagster").mkdir()
    with open_house(tmp_path / "data", dg.DagsterInstance.local_temp(str(tmp_path / "dagster"))) as house:
        yield house


def served_by(url: str) -> dict[str, object]:
    engine = {"kind": "server", "urls": [url], "api_key_variable": KEY_VARIABLE}
    return {
        "engines": {"generator": engine, "critic": engine},
        "seeds": {"generated_per_task": 2},
        "search": {"rollouts": 2},
    }


def test_an_engines_key_is_sent_to_the_server_and_left_nowhere(house, tmp_path, capfd):
    """Once it is right and once wrong: then the server repeats it in what it answers, as some do."""
    script = ScriptedEngine(lambda request, _: f"<answer>{request.seed % 7}</answer>")
    manifest = house.run(
        "seed_batches", "held_out_questions", "benchmark_questions", "benchmark_quarantine", "base_models"
    )
    assert manifest.success
    models = json.loads(house.storage.manifest_file("base_models").read_text())
    tokenizer = load_tokenizer(house.storage.root / models["generator"]["location"])
    with CompletionsServer(script, tokenizer, key=KEY) as server:
        changes = served_by(server.url)
        batch = ("seed_prompts", "seed_quarantine", "seed_overlaps")
        assert house.run(*batch, partition="generated", changes=changes).success
        assert house.run("mcts_trees", "thoughts", partition="generated", changes=changes).success
        assert server.payloads, "the server was not asked"
    with CompletionsServer(script, tokenizer, key="another") as server:
        changes = served_by(server.url) | {"seed": 1}
        refused = house.run("mcts_trees", "thoughts", partition="generated", changes=changes)
        assert not refused.success
        assert "incorrect key provided: Bearer [key]" in str(refused.get_step_failure_events())
    assert holding(KEY, tmp_path) == set()
    assert KEY not in "".join(capfd.readouterr())


def test_a_databases_password_in_an_address_is_left_nowhere(trained, tmp_path, monkeypatch, capfd):
    """MLflow cannot be reached, and says so with the address in its words."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MARCO_MLFLOW_URI", f"http://marco:{PASSWORD}@127.0.0.1:9")
    (tmp_path / "dagster").mkdir()
    with open_house(tmp_path / "data", dg.DagsterInstance.local_temp(str(tmp_path / "dagster"))) as house:
        failed = house.run("seed_batches")
        assert not failed.success
        [event] = failed.get_step_failure_events()
        assert "127.0.0.1" in str(event), "another failure than the one meant"
    assert holding(PASSWORD, tmp_path) == set()
    assert PASSWORD not in "".join(capfd.readouterr())


def test_what_is_planted_would_be_found(tmp_path):
    database = sqlite3.connect(tmp_path / "runs.db")
    database.execute("CREATE TABLE snapshots (body TEXT)")
    database.execute("INSERT INTO snapshots VALUES (?)", [zlib.compress(KEY.encode()).hex()])
    database.commit()
    database.close()
    pl.DataFrame({"text": [KEY] * 1000}).write_parquet(tmp_path / "table.parquet")
    (tmp_path / "log").write_text(f"Bearer {KEY}")
    assert holding(KEY, tmp_path) == {"runs.db", "table.parquet", "log"}
