import polars as pl
import pytest

from marco_dag import schemas


@pytest.fixture(scope="session")
def scores_of():
    """`scores_of("sft", "sampled", {"q1": [outcome, …]})`: outcomes "correct", "wrong", "no_answer"; 10 tokens each."""

    def build(checkpoint, decoding, outcomes, benchmark="letters", tokens=10, reflections=0):
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
                        "correct": outcome == "correct",
                        "answered": outcome != "no_answer",
                        "clipped": outcome == "no_answer",
                        "tokens": tokens,
                        "repetition": 0.0,
                        "reflections": reflections,
                        "verdict": outcome,
                        "response": outcome,
                    }
                    for question, answers in outcomes.items()
                    for sample, outcome in enumerate(answers)
                ]
            ),
            "scores",
        )

    return build
