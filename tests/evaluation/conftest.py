import polars as pl
import pytest

from marco_dag import schemas


@pytest.fixture(scope="session")
def scores_of():
    """`scores_of("sft", "sampled", {"q1": [outcome, …]})`: outcomes "correct", "wrong", "no_answer"; 10 tokens each."""

    def build(checkpoint, decoding, outcomes, benchmark="letters", tokens=10, reflections=0, verdict=None):
        return schemas.conform(
            pl.DataFrame(
                [
                    {
                        "checkpoint": checkpoint,
                        "checkpoint_digest": f"digest of {checkpoint}",
                        "benchmark": benchmark,
                        "question_id": question,
                        "decoding": decoding,
                        "sample": sample,
                        "turn": 1,
                        "correct": outcome == "correct",
                        "answered": outcome != "no_answer",
                        "clipped": outcome == "no_answer",
                        "tokens": tokens,
                        "repetition": 0.0,
                        "reflections": reflections,
                        "verdict": verdict or outcome,
                        "answer": None if outcome == "no_answer" else outcome,
                        "details": None,
                        "response": outcome,
                    }
                    for question, answers in outcomes.items()
                    for sample, outcome in enumerate(answers)
                ]
            ),
            "scores",
        )

    return build
