"""GSM8K (Cobbe et al. 2021, arXiv 2110.14168): grade-school mathematics, answered by a number.

Reads the published files (`question`, and `answer` with the number behind `####`), and files whose `answer` is the
number alone.
"""

import re
from pathlib import Path

from marco_dag.evaluation.benchmarks import fields
from marco_dag.evaluation.benchmarks.protocol import BOXED, HubName, Item, Procedure, Row, RowError

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)", re.ASCII)
_SIGNS_AROUND = " \t$.%"
_SHOWN = 60


class Gsm8k:
    """Greedy pass@1 with the boxed prompt."""

    name = "GSM8K"
    task = "math"
    hub = HubName("openai/gsm8k", "test", "main")
    procedure = Procedure(prompt=BOXED)

    def read(self, row: Row, folder: Path | None) -> Item:  # noqa: ARG002
        """RowError where the answer is no number."""
        question = fields.text(row, "question")
        stated = str(fields.present(row, "answer")[1]).rpartition("####")[2]
        number = stated.replace(",", "").strip(_SIGNS_AROUND)
        if not _NUMBER.fullmatch(number):
            raise RowError("answer", f"no number, nor one behind '####': {stated.strip()[:_SHOWN]!r}")
        return Item(fields.key(row, "id"), (question,), ({"answer": number},))
