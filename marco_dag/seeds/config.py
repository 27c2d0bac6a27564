"""What a profile says about seed prompts."""

from pydantic import Field

from marco_dag.config import Config


class SeedsConfig(Config):
    """Which questions there are."""

    tasks: tuple[str, ...] = ("letters", "arithmetic", "blocksworld", "instructions")
    """The tasks to generate questions for, by name."""
    generated_per_task: int = Field(120, ge=0)
    """Distinct training questions a task in the batch `generated`, ≥ 0."""
    held_out_per_task: int = Field(400, ge=1)
    """Distinct held-out questions a task, for the benchmark scores, ≥ 1."""
    held_out_share: float = Field(0.25, gt=0, lt=1)
    """Share of all possible prompts that a hash of the prompt holds out of training, in (0, 1)."""
    max_prompt_chars: int = Field(4000, ge=1)
    """A longer prompt in a seeds file is quarantined; characters."""
