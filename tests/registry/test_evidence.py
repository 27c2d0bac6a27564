"""Whether a candidate is worse: differences paired by question, with the intervals of the house."""

import polars as pl
import pytest

from marco_dag.evaluation.intervals import paired_difference

RIGHT, WRONG = True, False


def weigh(*frames, margin=0.05, confidence=0.95):
    from marco_dag.registry.evidence import weigh

    return weigh(*frames, margin=margin, confidence=confidence)


def test_the_differences_are_the_paired_ones_with_their_intervals(scores):
    mine = [RIGHT] * 60 + [WRONG] * 40
    champions = [RIGHT] * 50 + [WRONG] * 50
    findings = weigh(scores(mine), scores(champions), margin=1.0)
    assert [(f.benchmark, f.decoding, f.questions) for f in findings] == [
        ("all", "greedy", 100),
        ("all", "sampled", 100),
    ]
    expected = paired_difference(pl.Series(mine).to_numpy() * 1.0, pl.Series(champions).to_numpy() * 1.0, 0.95, 0)
    assert findings[0].accuracy == expected
    assert findings[0].accuracy.value == pytest.approx(0.1)
    assert findings[0].objections == ()


def test_only_questions_that_both_answered_count_by_decoding(scores):
    candidate = pl.concat([scores([RIGHT] * 20), scores([WRONG] * 20, first=100)])
    champion = scores([RIGHT] * 30, decodings=["greedy"])
    [finding] = weigh(candidate, champion)
    assert (finding.decoding, finding.questions, finding.accuracy.value) == ("greedy", 20, 0.0)
    assert weigh(scores([RIGHT]), scores([RIGHT], first=5)) == ()


@pytest.mark.parametrize(("lost", "objects"), [(0, False), (3, False), (30, True)])
def test_a_loss_beyond_the_noise_speaks_against_the_candidate(scores, lost, objects):
    champion = scores([RIGHT] * 200)
    findings = weigh(scores([WRONG] * lost + [RIGHT] * (200 - lost)), champion, margin=0.05)
    assert any(f.objections for f in findings) == objects
    if objects:
        assert findings[0].objections[0].startswith("all, greedy, 200 questions: the accuracy is worse, -15.0 (-")


def test_few_questions_prove_nothing_and_a_wider_margin_asks_for_less(scores):
    mixed = [RIGHT, WRONG] * 5
    candidate, champion = scores(mixed), scores(mixed[::-1])
    narrow = weigh(candidate, champion, margin=0.05)
    assert all("may be worse by more than the margin of 5 points" in f.objections[0] for f in narrow)
    assert all(f.objections == () for f in weigh(candidate, champion, margin=0.9))


def test_more_answers_that_are_none_speak_against_it_and_fewer_for_it(scores):
    silent, talking = [False] * 30 + [True] * 170, [True] * 200
    worse = weigh(scores([WRONG] * 200, answered=silent), scores([WRONG] * 200, answered=talking))
    assert "the no-answer rate is worse, +15.0" in worse[0].objections[0]
    better = weigh(scores([WRONG] * 200, answered=talking), scores([WRONG] * 200, answered=silent))
    assert [f.objections for f in better] == [(), ()]


def test_a_published_benchmark_vetoes_a_loss_and_need_not_prove_anything(scores):
    held_out = scores([RIGHT] * 200)
    noisy = {"benchmark": "AIME", "decodings": ["sampled"]}
    few = weigh(
        pl.concat([held_out, scores([RIGHT, WRONG] * 5, **noisy)]),
        pl.concat([held_out, scores([WRONG, RIGHT] * 5, **noisy)]),
    )
    assert [(f.benchmark, f.decoding, f.questions) for f in few] == [
        ("all", "greedy", 200),
        ("all", "sampled", 200),
        ("AIME", "sampled", 10),
    ]
    assert [f.objections for f in few] == [(), (), ()]
    lost = weigh(
        pl.concat([held_out, scores([WRONG] * 30, **noisy)]), pl.concat([held_out, scores([RIGHT] * 30, **noisy)])
    )
    assert lost[-1].objections == (
        "AIME, sampled, 30 questions: the accuracy is worse, -100.0 (-100.0 to -100.0) points",
    )
