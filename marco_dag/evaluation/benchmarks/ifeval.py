"""IFEval (Zhou et al. 2023, arXiv 2311.07911): prompts with instructions that a program can check."""

from pathlib import Path

from marco_dag.evaluation.benchmarks import fields
from marco_dag.evaluation.benchmarks.protocol import HubName, Item, Procedure, Row, RowError
from marco_dag.tasks.protocol import Reference


class IfEval:
    """Greedy, the prompt as it stands. Fields: `key`, `prompt`, `instruction_id_list`, `kwargs`."""

    name = "IFEval"
    task = "ifeval"
    hub = HubName("google/IFEval", "train")
    procedure = Procedure(max_tokens=1280)

    def read(self, row: Row, folder: Path | None) -> Item:  # noqa: ARG002
        """RowError where there is not one object of arguments for each instruction."""
        return Item(fields.key(row, "key", "id"), (fields.text(row, "prompt"),), (instructions(row),), "en")


def instructions(row: Row, prefix: str = "") -> Reference:
    """The instructions of a row or of a turn, from its fields `<prefix>instruction_id_list` and `<prefix>kwargs`.

    Flat files have lists as JSON text, and in it each object of arguments as JSON text again; Parquet has every
    argument in every object, null where it is not meant. RowError where there is not one object for each instruction.
    """
    ids = fields.parsed(row, f"{prefix}instruction_id_list")
    arguments = fields.parsed(row, field := f"{prefix}kwargs")
    if not isinstance(ids, list) or not ids or not all(isinstance(name, str) for name in ids):
        raise RowError(f"{prefix}instruction_id_list", "must be a list of names, and not empty")
    if not isinstance(arguments, list) or len(arguments) != len(ids):
        raise RowError(field, f"must be a list of one object for each of the {len(ids)} instructions")
    objects = [fields.parsed({field: value}, field) if isinstance(value, str) else value for value in arguments]
    for value in objects:
        if not isinstance(value, dict):
            raise RowError(field, f"each must be an object, not {str(value)[:60]!r}")
    return {"instruction_id_list": ids, "kwargs": [fields.without_nulls(v) for v in objects if isinstance(v, dict)]}
