"""A study of models that learn little, and answers that were made up to come out as they should."""

from pathlib import Path

import polars as pl
import pytest

from marco_dag.profiles import Profile, load_profile
from marco_dag.schemas import STUDY_ANSWERS, STUDY_DECODING
from marco_dag.study.gathering import LENGTHS, TRAININGS, Gathered
from marco_dag.study.materials import Study
from marco_dag.study.variants import DECODED, variants_of

TINY = Path(__file__).parents[1] / "profiles" / "tiny.yaml"
SEEDS, QUESTIONS = range(4), 200


@pytest.fixture(scope="session")
def tiny() -> Profile:
    """Its student learns as much as the teacher, or its own trees would hold nothing right."""
    profile = load_profile(str(TINY))
    models = profile.miniature.model_copy(update={"student": profile.miniature.generator})
    seeds = profile.seeds.model_copy(update={"generated_per_task": 24})
    return profile.model_copy(update={"miniature": models, "seeds": seeds})


@pytest.fixture
def study(tiny, tmp_path) -> Study:
    return Study(tiny, tmp_path / "artifacts", tmp_path / "logs")


def made_up_answers(right: dict[str, float], silent: dict[str, float] | None = None) -> pl.DataFrame:
    """Answers of four seeds to 200 questions: each variant's first ones are right, its last ones state no answer."""
    rows = [
        {
            "seed": seed,
            "checkpoint": variant,
            "checkpoint_digest": "digest",
            "benchmark": "letters",
            "question_id": f"q{question:03}",
            "decoding": decoding,
            "sample": 0,
            "turn": 1,
            "correct": question < share * QUESTIONS,
            "answered": question < (1 - (silent or {}).get(variant, 0.0)) * QUESTIONS,
            "clipped": False,
            "tokens": 10 + question % 50,
            "repetition": 0.0,
            "reflections": 0,
        }
        for variant, share in right.items()
        for seed in SEEDS
        for decoding in ("greedy", "sampled")
        for question in range(QUESTIONS)
    ]
    return pl.DataFrame(rows, schema=STUDY_ANSWERS).sample(fraction=1, shuffle=True, seed=0)


@pytest.fixture
def gathered(tiny) -> Gathered:
    """Everything there is of all variants: `full` is 10 points better than the rest, `plain-dpo` is often silent."""
    right = dict.fromkeys(variants_of(tiny), 0.5)
    answers = made_up_answers(right | {"full": 0.6, "plain-dpo": 0.3}, {"plain-dpo": 0.4})
    decoded = [
        {
            "seed": seed,
            "checkpoint": variant,
            "checkpoint_digest": "digest",
            "benchmark": "letters",
            "question_id": f"q{question:03}",
            "method": method,
            "tries": tries,
            "answers": tries,
            "tokens": 40.0 * tries,
            "solved": float(question < (60 if method == "mcts" else 50)),
            "chosen": "4",
            "chosen_correct": question < 40,
            "stop_reason": None,
        }
        for variant in DECODED
        for seed in SEEDS
        for method in ("mcts", "sampling")
        for tries in (1, 8)
        for question in range(100)
    ]
    trainings = [
        {"seed": seed, "variant": variant, "examples": 50, "steps": 9, "tokens": 1000, "seconds": 30.0}
        for variant in right
        for seed in SEEDS
    ]
    lengths = [
        {"seed": 0, "task": "letters", "length_rank": rank, "tokens": tokens + spread}
        for rank, tokens in (("shortest", 20), ("medium", 30), ("longest", 40))
        for spread in range(9)
    ]
    return Gathered(
        answers=answers,
        decoded=pl.DataFrame(decoded, schema=STUDY_DECODING),
        trainings=pl.DataFrame(trainings, schema=TRAININGS),
        lengths=pl.DataFrame(lengths, schema=LENGTHS),
        gaps=[],
    )
