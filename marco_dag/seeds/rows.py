"""What one row of the seed tables is, however its question was come by."""

from typing import TypedDict

from marco_dag.identity import canonical_json, content_id
from marco_dag.tasks import Question, Split


class SeedRow(TypedDict):
    """A row of `schemas.SEED_PROMPTS`."""

    seed_id: str
    task: str
    prompt: str
    reference: str
    source: str
    split: Split
    batch: str


def seed_row(task: str, question: Question, *, source: str, split: Split, batch: str) -> SeedRow:
    """The row of `question`; its id depends on the task, the prompt and the reference, not on where it came from."""
    reference = canonical_json(dict(question.reference))
    return SeedRow(
        seed_id=content_id("seed", task, question.prompt, reference),
        task=task,
        prompt=question.prompt,
        reference=reference,
        source=source,
        split=split,
        batch=batch,
    )
