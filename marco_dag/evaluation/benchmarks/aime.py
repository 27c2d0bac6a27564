"""AIME, the American Invitational Mathematics Examination: thirty problems a year, answered by an integer, 0 to 999.

There is no one file of it: the spellings of its columns that are about are all read.
"""

import re
from pathlib import Path

from marco_dag.evaluation.benchmarks import fields
from marco_dag.evaluation.benchmarks.protocol import BOXED, HubName, Item, Procedure, Row, RowError

_INTEGER = re.compile(r"0*([0-9]{1,3})(?:\.0)?", re.ASCII)


class Aime:
    """The mean of 16 samples a question at temperature 0.6 and top-p 0.95: thirty questions say little once."""

    name = "AIME"
    task = "math"
    hub = HubName("HuggingFaceH4/aime_2024", "train")
    procedure = Procedure(prompt=BOXED, greedy=False, samples=16, temperature=0.6, top_p=0.95, max_tokens=16_384)

    def read(self, row: Row, folder: Path | None) -> Item:  # noqa: ARG002
        """RowError where the answer is no integer from 0 to 999."""
        problem = fields.text(row, "problem", "Problem", "question", "Question")
        field, answer = fields.present(row, "answer", "Answer", "expected_answer")
        integer = _INTEGER.fullmatch(str(answer).strip())
        if integer is None:
            raise RowError(field, f"must be an integer from 0 to 999, not {str(answer)[:60]!r}")
        return Item(fields.key(row, "id", "ID", "unique_id"), (problem,), ({"answer": str(int(integer[1]))},))
