"""`marco promote`, as a user types it."""

import json

import pytest

from marco_dag.cli import main
from marco_dag.registry import TRACKING_VARIABLE

GOOD, BAD = [True] * 200, [False] * 40 + [True] * 160


@pytest.fixture
def promote(storage, opened, model, tmp_path, monkeypatch, capsys):
    """Runs the command; returns (status, standard output, standard error)."""
    monkeypatch.setenv(TRACKING_VARIABLE, opened.uri)
    profile = tmp_path / "mine.yaml"
    profile.write_text(f"name: {model.removeprefix('marco-')}\n")
    storage.root.mkdir(exist_ok=True)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["promote", *arguments, "--profile", str(profile), "--root", str(storage.root)])
        return status, *capsys.readouterr()

    return run


def test_evidence_decision_and_refusal_are_told(promote, registry, model, register, scores):
    assert "no version is registered" in promote()[2]
    register("a", scores(GOOD), checkpoint="first")
    status, out, _ = promote("--dry-run")
    assert (status, registry.champion(model)) == (0, None)
    assert out.splitlines() == [
        f"{model} version 1 (first) beside no champion",
        "  there is no champion yet, so there is nothing to compare with",
        "would become the champion",
    ]
    assert promote()[1].splitlines()[-1] == "is now the champion"
    register("b", scores(BAD), checkpoint="second")
    status, out, err = promote("second")
    assert status == 2
    assert out.splitlines()[1] == "differences in points, paired by question, with their 95% intervals:"
    assert out.splitlines()[2].startswith("  all, greedy: accuracy -20.0 (-")
    assert out.splitlines()[2].endswith("no answer +0.0 (+0.0 to +0.0), n = 200")
    assert err.startswith(
        f"marco promote: {model} version 2 (second) is not promoted: all, greedy, 200 questions: the "
    )
    assert registry.champion(model).number == 1
    status, out, _ = promote("2", "--force", "it is smaller", "--json")
    told = json.loads(out)
    assert (status, told["promoted"], told["forced"], told["champion"]) == (0, True, "it is smaller", 1)
    assert registry.champion(model).number == 2
