"""`promote`: the champion changes by evidence or by force, and the decision is written down."""

import json
import shutil

import pytest

from marco_dag.errors import RegistryError
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.lineage import open_database
from marco_dag.registry.config import PromotionConfig
from marco_dag.registry.promotion import carry_out, decide, told

GOOD, BAD = [True] * 200, [False] * 40 + [True] * 160


@pytest.fixture
def promote(storage, registry):
    """Decides about a version and carries it out."""

    def one(version, forced=None):
        confidence = EvaluationConfig().confidence
        decision = decide(storage, registry, version, PromotionConfig(), confidence=confidence, forced=forced)
        carry_out(storage, registry, decision)
        return decision

    return one


def recorded(storage):
    with open_database(storage) as database:
        found = database.execute("SELECT * FROM promotions ORDER BY decided_at")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def tags_of(opened, version):
    return opened.client().get_model_version(version.model, str(version.number)).tags


def test_the_first_champion_has_nobody_to_be_compared_with(storage, registry, model, register, scores, promote, opened):
    first = register("a", scores(BAD))
    decision = promote(first)
    assert (decision.promoted, decision.objections, decision.findings) == (True, (), ())
    assert registry.champion(model) == first
    assert tags_of(opened, first)["marco.compared_with"] == "nothing: the first champion"
    [row] = recorded(storage)
    assert (row["promoted"], row["champion"], row["version"], row["reason"]) == (True, None, 1, None)


def test_a_version_that_is_not_worse_takes_over_and_the_evidence_is_kept(
    storage, registry, model, register, scores, promote, opened
):
    promote(register("a", scores(BAD)))
    second = register("b", scores(GOOD))
    decision = promote(second)
    assert decision.promoted
    assert registry.champion(model) == second
    assert next(told(decision)).startswith("all, greedy: accuracy +20.0 (+")
    assert tags_of(opened, second)["marco.evidence"] == "\n".join(told(decision))
    assert tags_of(opened, second)["marco.decision"] == "promoted"
    row = recorded(storage)[-1]
    assert (row["champion"], row["version"], row["checkpoint"]) == (1, 2, "full")
    evidence = json.loads(row["evidence"])
    assert [(e["benchmark"], e["decoding"], e["questions"]) for e in evidence] == [
        ("all", "greedy", 200),
        ("all", "sampled", 200),
    ]


def test_a_worse_version_is_refused_and_that_is_recorded(storage, registry, model, register, scores, promote, opened):
    first = register("a", scores(GOOD))
    promote(first)
    second = register("b", scores(BAD))
    decision = promote(second)
    assert not decision.promoted
    assert registry.champion(model) == first
    assert registry.find(model, "candidate") == second
    assert tags_of(opened, second)["marco.decision"] == "refused"
    row = recorded(storage)[-1]
    assert not row["promoted"]
    assert "the accuracy is worse, -20.0" in json.loads(row["objections"])[0]


def test_force_promotes_it_and_records_the_reason_without_secrets(
    storage, registry, model, register, scores, promote, opened, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", "planted-secret")
    promote(register("a", scores(GOOD)))
    second = register("b", scores(BAD))
    decision = promote(second, forced=" it is faster; planted-secret ")
    assert decision.promoted
    assert decision.objections
    assert registry.champion(model) == second
    assert tags_of(opened, second)["marco.forced"] == recorded(storage)[-1]["reason"] == "it is faster; [redacted]"


def test_scores_of_other_questions_are_no_evidence(storage, registry, model, register, scores, promote):
    promote(register("a", scores(GOOD)))
    decision = promote(register("b", scores(GOOD, first=1000)))
    assert not decision.promoted
    assert decision.objections == ("it and the champion answered no question in common; score both on the same ones",)


def test_what_cannot_be_promoted_says_why(storage, registry, model, register, scores, promote):
    first = register("a", scores(GOOD))
    promote(first)
    with pytest.raises(RegistryError, match="is the champion already"):
        promote(first)
    second = register("b", scores(GOOD))
    with pytest.raises(RegistryError, match="needs a reason"):
        promote(second, forced=" ")
    shutil.rmtree(storage.artifacts / "scores" / second.registration.scores)
    with pytest.raises(RegistryError, match=r"its scores .* are not there any more; materialize benchmark_scores"):
        promote(second)
    shutil.rmtree(storage.root / second.registration.location)
    with pytest.raises(RegistryError, match=r"its checkpoint .* train it again"):
        promote(second)
