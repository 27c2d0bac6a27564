"""MATH-500: the 500 problems of MATH (Hendrycks et al. 2021) that Lightman et al. 2023 (arXiv 2305.20050) held out."""

from pathlib import Path

from marco_dag.evaluation.benchmarks import fields
from marco_dag.evaluation.benchmarks.protocol import BOXED, HubName, Item, Procedure, Row


class Math500:
    """Greedy pass@1 with the boxed prompt. Fields: `problem`, `answer` (LaTeX), and `unique_id` or `id`."""

    name = "MATH-500"
    task = "math"
    hub = HubName("HuggingFaceH4/MATH-500", "test")
    procedure = Procedure(prompt=BOXED, max_tokens=4096)

    def read(self, row: Row, folder: Path | None) -> Item:  # noqa: ARG002
        """RowError where there is no problem or no answer."""
        reference = {"answer": fields.text(row, "answer").strip()}
        return Item(fields.key(row, "unique_id", "id"), (fields.text(row, "problem"),), (reference,))
