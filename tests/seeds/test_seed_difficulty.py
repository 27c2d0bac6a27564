"""How hard seeds are for the base student, counted over its own responses, and which of them are searched."""

import polars as pl
import pytest

from marco_dag.engines import Request, ScriptedEngine
from marco_dag.errors import EngineError, EngineUnavailableError, SeedError
from marco_dag.schemas import SEED_DIFFICULTY, SEED_PROMPTS
from marco_dag.seeds import DifficultyConfig, measure_difficulty, within_difficulty

CONFIG = DifficultyConfig(samples=4, max_tokens=200, suffix=" Please.")


def seeds(*numbers: int) -> pl.DataFrame:
    rows = [
        (f"seed-{n}", "arithmetic", f"Compute {n}+1", f'{{"answer":{n + 1}}}', "mine", "train", "b") for n in numbers
    ]
    return pl.DataFrame(rows, schema=SEED_PROMPTS, orient="row")


def student(request: Request, sample: int) -> str:
    """Knows that 1+1 is 2, and says so every other time to anything; says nothing the last time."""
    assert request.messages[0].content.endswith(" Please.")
    return ["<answer>2</answer>", "<answer>3</answer>", "<answer>2</answer>", "I wonder."][sample]


def test_the_share_of_correct_responses_is_counted_seed_by_seed():
    measured = measure_difficulty(ScriptedEngine(student), seeds(1, 2, 7), CONFIG, seed=0)
    assert measured.schema == SEED_DIFFICULTY
    assert measured.rows() == [
        ("b", "seed-1", 4, 2, 1, 0.5),
        ("b", "seed-2", 4, 1, 1, 0.25),
        ("b", "seed-7", 4, 0, 1, 0.0),
    ]


def test_every_seed_is_sampled_with_a_seed_of_its_own_that_the_run_s_seed_decides():
    def seeds_of(seed: int) -> list[int]:
        asked: list[int] = []

        def write(request: Request, _: int) -> str:
            asked.append(request.seed)
            return "x"

        measure_difficulty(ScriptedEngine(write), seeds(1, 2), DifficultyConfig(samples=1), seed=seed)
        return asked

    assert seeds_of(0) == seeds_of(0)
    assert len({*seeds_of(0), *seeds_of(1)}) == 4


def test_no_seeds_are_measured_to_an_empty_table():
    measured = measure_difficulty(ScriptedEngine(student), seeds(), CONFIG, seed=0)
    assert (measured.height, measured.schema) == (0, SEED_DIFFICULTY)


class _Picky(ScriptedEngine):
    def __init__(self, error: EngineError) -> None:
        super().__init__(student)
        self._error = error

    async def complete(self, request):
        if "Compute 2+" in request.messages[0].content:
            raise self._error
        return await super().complete(request)


def test_a_seed_that_cannot_be_served_has_no_rate_and_a_server_that_is_gone_ends_it():
    measured = measure_difficulty(_Picky(EngineError("too long")), seeds(1, 2), CONFIG, seed=0)
    assert measured.row(1) == ("b", "seed-2", 0, 0, 0, None)
    assert within_difficulty(seeds(1, 2), measured, CONFIG)["seed_id"].to_list() == ["seed-1"]
    with pytest.raises(EngineUnavailableError):
        measure_difficulty(_Picky(EngineUnavailableError("gone")), seeds(1, 2), CONFIG, seed=0)


def test_seeds_within_the_range_are_kept_in_their_order():
    measured = measure_difficulty(ScriptedEngine(student), seeds(7, 2, 1), CONFIG, seed=0)
    wanted = CONFIG.model_copy(update={"min_pass_rate": 0.25, "max_pass_rate": 0.5})
    assert within_difficulty(seeds(7, 2, 1), measured, wanted)["seed_id"].to_list() == ["seed-2", "seed-1"]


def test_a_seed_that_was_not_measured_so_is_an_error_that_says_what_to_do():
    measured = measure_difficulty(ScriptedEngine(student), seeds(1), CONFIG, seed=0)
    with pytest.raises(SeedError, match="seed-2: no pass rate over 4 samples is known; materialize seed_difficulty"):
        within_difficulty(seeds(1, 2), measured, CONFIG)
    with pytest.raises(SeedError, match="over 8 samples"):
        within_difficulty(seeds(1), measured, CONFIG.model_copy(update={"samples": 8}))
