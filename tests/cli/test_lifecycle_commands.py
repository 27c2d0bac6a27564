"""`marco artifacts` and `marco gc`, as a user types them."""

import json
import os
import shutil
import time

import pytest

from marco_dag.manifests import Model, write_manifest
from marco_dag.store import MANIFEST, ArtifactStore


@pytest.fixture
def stocked(leavings):
    """The leavings with two real artifacts: one that a manifest names, one that nothing does; both are old."""
    storage = leavings.storage
    shutil.rmtree(storage.artifacts)  # the leavings' own are empty folders
    paths = {}
    for name in ("needed", "forgotten"):

        def write(folder) -> None:
            (folder / "model").mkdir()
            (folder / "model" / "model.safetensors").write_bytes(b"0" * 2000)

        paths[name] = ArtifactStore(storage.artifacts).get_or_make("sft", {"name": name}, write).path
        os.utime(paths[name] / MANIFEST, (time.time() - 40 * 86_400,) * 2)
    model = Model.in_storage(paths["needed"] / "model", "digest", storage)
    write_manifest(storage.manifest_file("sft_checkpoint"), {"student": model})
    return paths


def test_artifacts_are_listed_with_what_keeps_them(marco, stocked):
    status, out, _ = marco("artifacts")
    assert status == 0
    lines = {line.split()[1]: line for line in out.splitlines() if "sft-" in line}
    assert "manifests/sft_checkpoint/all.json (student)" in lines[stocked["needed"].name]
    assert "goes with the next marco gc" in lines[stocked["forgotten"].name]
    assert "40 days" in lines[stocked["forgotten"].name]
    assert "2 artifacts, " in out
    rows = [json.loads(line) for line in marco("artifacts", "--json", "--kind", "sft")[1].splitlines()]
    assert {row["artifact"]: row["kept_until"] is None for row in rows} == {
        stocked["needed"].name: True,
        stocked["forgotten"].name: False,
    }
    assert marco("artifacts", "--json", "--kind", "trees")[1] == ""


def test_gc_tells_first_and_then_removes(marco, stocked):
    status, out, _ = marco("gc", "--dry-run")
    assert (status, stocked["forgotten"].exists()) == (0, True)
    assert out.splitlines()[0].startswith(f"would remove artifacts/sft/{stocked['forgotten'].name}  2.")
    told = json.loads(marco("gc", "--dry-run", "--json")[1])
    assert told["dry_run"]
    done = json.loads(marco("gc", "--json")[1])
    assert done == {**told, "dry_run": False}
    assert (stocked["forgotten"].exists(), stocked["needed"].exists()) == (False, True)
    assert marco("gc")[1] == "removed 0, 0 B\n"


def test_the_profile_says_how_long_is_long_enough(marco, stocked, tmp_path):
    patient = tmp_path / "patient.yaml"
    patient.write_text("name: patient\nretention: {artifacts_days: 50}\n")
    assert marco("gc", "--profile", str(patient))[1] == "removed 0, 0 B\n"
    hasty = tmp_path / "hasty.yaml"
    hasty.write_text("name: hasty\nretention: {artifacts_days: 0}\n")
    status, _, err = marco("gc", "--profile", str(hasty))
    assert status == 2
    assert "retention.artifacts_days: Input should be greater than or equal to 1 (given: 0)" in err
    assert stocked["forgotten"].exists()
