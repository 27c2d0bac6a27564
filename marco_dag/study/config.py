"""What a profile says about its study: which seeds, what each of them takes, and what is tried beside the recipe."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from marco_dag.config import Config
from marco_dag.evaluation.config import MctsDecodingConfig


class StudyConfig(Config):
    """The paper's tables on the profile's own models, each variant over several seeds."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """The runs; each decides embedded models, training questions, trees, trainings and sampled answers, in [0, 2³¹)."""
    recipe: str = "full"
    """The profile's recipe that is the paper's whole one: the ladder's last rung, and what every other departs from."""
    generated_per_task: int | None = Field(None, ge=1)
    """Generated training questions a task and seed, ≥ 1; null: as many as the profile's `seeds` say."""
    sft_weights: tuple[float, ...] = (0.5, 1.5, 2.0)
    """α of the paper's sweep, > 0; 0 and 1 are rungs of the ladder."""
    long_cot: str | None = None
    """A JSONL file of `prompt` and `completion`, the long-CoT data that the trees' are compared with (Table 4).

    null: an over-thinking teacher's, made of the trees' own correct chains.
    """
    decoding: MctsDecodingConfig = MctsDecodingConfig(tries=(1, 8), held_out_per_task=200)
    """How the SFT checkpoint and the whole recipe's are decoded by tree search, beside sampling at equal tokens."""
    caps: tuple[int, ...] = ()
    """Token limits at which all answers are judged again, each ≥ 1, rising; empty: eight steps up to its own."""

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) < len(seeds) or not all(0 <= seed < 2**31 for seed in seeds):
            raise ValueError("must be one or more different numbers in [0, 2**31), such as [0, 1, 2, 3, 4]")
        return seeds

    @model_validator(mode="after")
    def _sweep_and_caps_are_sound(self) -> Self:
        if any(weight <= 0 for weight in self.sft_weights) or len(set(self.sft_weights)) < len(self.sft_weights):
            raise ValueError("sft_weights: different numbers above 0; 0 is the rung `cdpo`")
        if any(cap < 1 for cap in self.caps) or list(self.caps) != sorted(set(self.caps)):
            raise ValueError("caps: numbers of at least 1, each greater than the one before, such as [64, 128]")
        return self
