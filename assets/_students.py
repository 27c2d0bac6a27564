"""Which model a checkpoint's name means."""

from collections.abc import Mapping

from marco_dag.errors import EvaluationError
from resources.models import Model, Models


def student_of(checkpoint: str, base: Models, sft: Models, recipes: Mapping[str, Models]) -> Model:
    """The student called `base`, `sft` or as its recipe; EvaluationError where that was not materialized."""
    stages = {"base": base, "sft": sft, **recipes}
    if checkpoint not in stages:
        raise EvaluationError(f"checkpoint {checkpoint} was not materialized yet; do that first")
    return stages[checkpoint]["student"]
